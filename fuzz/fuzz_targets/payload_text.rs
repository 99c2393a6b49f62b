#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| auditq_oracles::payload_text(data));
