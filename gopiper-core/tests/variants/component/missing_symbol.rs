//! Needs a function that no library has.
unsafe extern "C" {
    safe fn gopiper_test_symbol_that_nobody_has();
}

#[used]
static NEEDED: extern "C" fn() = needed;

extern "C" fn needed() {
    gopiper_test_symbol_that_nobody_has();
}
