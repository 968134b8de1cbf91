#!/usr/bin/env bash
# MT940 (SWIFT's bank statements) with mt-940 5.1.1 and mt940 0.8.1 of PyPI, and
# mt940js 1.3.5, mt940-js 1.0.0 and swiftmessageparser 1.2.1 of npm.
#
# Surprise: line 61 has a value date with a year and an entry date without one.
# Around New Year four of the five take the value date's year: an entry of
# 2 January valued on 31 December is a year early, one the other way a year
# late. 'RC' reverses a credit, so that money leaves the account; mt-940 adds it
# unless its option reversal_sign is on. For mt940-js it is a credit, and 'RD' a
# debit. Neither's amounts lead to the closing balance, 965.
#
# For gopiper: the entry date gets the year that is nearest to the value date,
# and the sign is that of the money. A component that splits a statement adds up
# its lines and compares the sum with field 62F before it sends one of them.
set -eu
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
for package in mt-940==5.1.1 mt940==0.8.1; do
    python3 -m venv ${package%%=*}; ${package%%=*}/bin/pip -q install $package
done
npm install --silent --no-audit --no-fund --prefix . mt940js@1.3.5 mt940-js@1.0.0 tslib@2.8.1 swiftmessageparser@1.2.1
cat > statement <<'E'
:20:STMT1
:25:12345678/0001234567
:28C:1/1
:60F:C251229EUR1000,00
:61:2512311231D100,00NTRFREF1
:61:2512310102C50,00NTRFREF2
:61:2601021231C5,00NTRFREF3
:61:260102RC20,00NTRFREF4
:61:260102RD30,00NTRFREF5
:62F:C260102EUR965,00
-
E
{
mt-940/bin/python - <<'E'
import mt940
statement = mt940.parse("statement")
print("mt-940", [f"{t.data['amount'].amount} {t.data.get('entry_date', '')}".strip() for t in statement], sum(t.data["amount"].amount for t in statement) + 1000)
E
mt940/bin/python - <<'E'
import mt940
[statement] = mt940.MT940("statement").statements
print("mt940", [f"{t.amount} {t.booking}" for t in statement.transactions], sum(t.amount for t in statement.transactions) + 1000)
E
node - <<'E'
const text = require('fs').readFileSync('statement', 'utf8');
const show = (name, all, amount) => console.log(name, JSON.stringify(all.map(t => `${amount(t)} ${t.entryDate && new Date(t.entryDate).toISOString().slice(0, 10)}`.trim())), all.reduce((sum, t) => sum + Number(amount(t)), 1000));
show('mt940js', new (require('mt940js').Parser)().parse(text)[0].transactions, t => t.amount);
show('swiftmessageparser', require('swiftmessageparser').parse({type: 'mt940', data: text})[0].transactions, t => t.amount);
require('mt940-js').read(Buffer.from(text)).then(([s]) => show('mt940-js', s.transactions, t => t.isCredit ? t.amount : -t.amount));
E
} > seen
cat seen
diff -u - seen <<'E'
mt-940 ['-100.00 2025-12-31', '50.00 2026-01-02', '5.00 2025-12-31', '20.00', '30.00'] 1005.00
mt940 ['-100.00 2025-12-31', '50.00 2025-01-02', '5.00 2026-12-31', '-20.00 None', '30.00 None'] 965.00
mt940js ["-100 2025-12-31","50 2025-01-02","5 2026-12-31","-20","30"] 965
swiftmessageparser ["-100 2025-12-31","50 2025-01-02","5 2026-12-31","-20","30"] 965
mt940-js ["-100 2025-12-31","50 2025-01-02","5 2026-12-31","20","-30"] 945
E
