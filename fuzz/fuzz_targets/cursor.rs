#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| auditq::fuzzing::cursor(data));
