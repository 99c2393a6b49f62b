#![no_main]

libfuzzer_sys::fuzz_target!(
    init: auditq::fuzzing::on_one_thread(),
    |data: &[u8]| auditq::fuzzing::index_damage(data)
);
