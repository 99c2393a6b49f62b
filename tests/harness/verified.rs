//! Tests that run again with every refresh verified against a build from scratch.

use std::process::Command;

use auditq::engine::verified_refreshes;

use super::faults::report;

/// What the program, and so this binary, takes for the wish to verify.
pub(crate) const VARIABLE: &str = "AUDITQ_VERIFY_REFRESH";

/// Runs a test in a process in which every refresh is verified: in this one, if it is asked for here, else in a process
/// of its own, which runs only the test of that name. It fails where a refresh was wrong, and where none was compared.
#[track_caller]
pub(crate) fn verified(test: &str, run: impl FnOnce()) {
    if verified_refreshes().is_some() {
        run();
        let verified = verified_refreshes().unwrap();
        report(&format!(
            "verified, {test}: {} refreshes compared with a build, {} skipped",
            verified.compared, verified.skipped
        ));
        assert!(verified.compared > 0, "no refresh was compared: {verified:?}");
        return;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(VARIABLE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
    assert!(
        said.lines().any(|line| line.starts_with("verified, ")),
        "the test did not run: {said}"
    );
    // Only what tests report goes there.
    report(said.trim_end());
}
