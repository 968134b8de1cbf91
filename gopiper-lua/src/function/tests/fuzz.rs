//! Calls every function of the kit with unlikely values. The kit bypasses Lua's own checks (FFI): a
//! value that it does not check itself can end the process.
use super::*;

/// The values, and the calls made with each pair of them. The first call fails with an error of its
/// own.
const CALLS: &str = "
local gopiper = require('gopiper')
local buffer = require('string.buffer')
local cyclic, deep = {}, {}
cyclic.cyclic = cyclic
for _ = 1, 100 do deep = { deep } end
local long, stuck = ('x'):rep(100000), coroutine.create(print)
local function odd(message, window)
  return {
    0/0, 1/0, -1/0, -0, 0, 1, -1, 1.5, 2^31, 2^53, -2^53, 2^63, 2^64, 1e300, 1e-300,
    0LL, -1LL, 9223372036854775807LL, 18446744073709551615ULL, 1i,
    '', 'a', 'nan', '\\0', '-1', '/a~', 'b.0', long, {}, { 1, nil, 3 }, cyclic, deep,
    print, stuck, gopiper.NULL, true, false,
    message, message.attributes, window, math, nil,
  }, 42
end
local methods = { 'find', 'sub', 'crop', 'append', 'emit', 'json', 'decode', 'add_json', 'set_json' }
local fields = { 'data', 'time', 'value', 'attributes', 'attempts', '_slot', '_message', '_', '_data', '_len' }
local calls = {
  function(m, _, a, b) return gopiper.FAIL, a, b end,
  function(m, _, a, b) m[a] = b end,
  function(m, _, a, b) return 0, m[a] and b end,
  function(m, _, a, b) m.attributes[a] = b end,
  function(m, _, a) return 0, m.attributes[a] end,
  function(m, _, a, b) return a, b end,
  function(m, _, a, b) m.attributes.a = { a, { b = b } } end,
  function(m, _, a, b) return 0, (m + a) == b end,
  function(m, _, a, b) return 0, m == a and m < b end,
  function(m, _, a) return m(a) end,
  function(_, w, a, b) w:emit(a, b) end,
  function(_, w, a, b) w:emit('a', { key = a, time = b }) end,
  function(_, w, a, b) w:emit('a', { attributes = a, time = b }) end,
  function(_, w, a) w:drop(a) end,
  function(_, w, a, b) w[a] = b end,
  function(_, _, a, b) return 0, tostring(a) .. ('%s|%5.2s|%d'):format(a, b, b) end,
  function(_, _, a, b) return 0, table.concat({ a, b }, a) end,
  function(_, _, a, b) return 0, table.concat({ 1, 2, 3 }, ',', a, b) end,
  function(_, _, a, b) return 0, gopiper.list(a), gopiper.env(a, b) end,
  function(_, _, a, b) return 0, buffer.encode({ a, b }) end,
  function(_, _, a, b) return 0, buffer.new():put(a):decode(b) end,
  function(_, _, a, b) return 0, buffer.decode(buffer.encode(a) .. tostring(b)) end,
}
for _, name in ipairs(methods) do
  calls[#calls + 1] = function(m, _, a, b) m[name](m, a, b) end
  calls[#calls + 1] = function(m, _, a, b) m[name](a, b, m) end
end
for _, name in ipairs(fields) do
  calls[#calls + 1] = function(m, _, a) m[name] = a end
  calls[#calls + 1] = function(m, _, a) m.attributes[name] = a end
  calls[#calls + 1] = function(m, _, a, b) m[name][a] = b end
  calls[#calls + 1] = function(m) return 0, 0, m[name] end
end
";

const FUNCTION: &str = "gopiper.transform(function(message, window)
    local n = tonumber(message.time)
    local values = odd(message, window)
    local call = calls[n % #calls + 1]
    n = math.floor(n / #calls)
    return call(message, window, values[n % COUNT + 1], values[math.floor(n / COUNT) % COUNT + 1])
end, { every = 3600, flush = function(window) window:drop() end })";

/// The number of calls and values above.
const CALL_COUNT: usize = 22 + 2 * 9 + 4 * 10;
const VALUE_COUNT: usize = 42;
const ALL: usize = CALL_COUNT * VALUE_COUNT * VALUE_COUNT;

#[test]
fn no_value_that_a_function_uses_ends_the_process() {
    // Compiled code is tried with every pair, interpreted code with a third of them.
    for (jit, step) in [("", 1), ("jit.off()", 3)] {
        let numbers = (0..ALL).step_by(step);
        let count = numbers.len();
        let messages = numbers.map(|n| {
            let mut message = Message::new(r#"{"a":1,"b":[2,{"c":null}]}"#);
            message.set_attribute("a", vec![Value::from(1.0)]);
            message.set_time(n as i64);
            message
        });
        let before = format!(
            "{jit}\n{CALLS}\nCOUNT = select(2, odd({{}}))\nassert(#calls == {CALL_COUNT} and COUNT == {VALUE_COUNT})"
        );
        let every = Some(Duration::from_secs(3600));
        let ran = run_with(LIMIT, every, &before, FUNCTION, messages.collect());
        assert_eq!(ran.summary.unsettled, 0);
        let outcomes = ran.summary.outcomes;
        assert_eq!(ran.failed.len() as u64, outcomes.dead_lettered);
        assert_eq!(ran.out.len() as u64, outcomes.delivered);
        // More than were sent: some calls emit messages.
        assert!(ran.out.len() + ran.failed.len() + outcomes.dropped as usize >= count);
        assert!(ran.out.len() > count / 20, "{}", ran.out.len());
        let said = ran.descriptions();
        assert!(said.len() > count / 4, "{}", said.len());
        let without: Vec<_> = ran
            .failed
            .iter()
            .map(|message| message.time() as usize)
            .zip(said)
            .filter(|(n, said)| n % CALL_COUNT != 0 && !said.contains("pipeline.lua:"))
            .map(|(n, said)| {
                let pair = n / CALL_COUNT;
                (n % CALL_COUNT, pair % VALUE_COUNT, pair / VALUE_COUNT, said)
            })
            .take(5)
            .collect();
        assert!(without.is_empty(), "call, values, error: {without:?}");
    }
}
