#![no_main]

libfuzzer_sys::fuzz_target!(
    init: auditq_oracles::on_one_thread(),
    |data: &[u8]| auditq_oracles::index_damage(data)
);
