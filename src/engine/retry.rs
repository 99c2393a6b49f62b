//! Reading again what was written to while it was read without a lock.

use crate::error::{Error, Result};

/// How often. A writer that is at it soon leaves the files that make locks possible, or is done.
const ATTEMPTS: usize = 5;

/// What `read` gives, which is called again where the database was written to meanwhile.
pub(super) fn until_confirmed<T>(mut read: impl FnMut() -> Result<T>) -> Result<T> {
    for _ in 1..ATTEMPTS {
        match read() {
            Err(Error::Overtaken { .. }) => {}
            done => return done,
        }
    }
    read()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_again_only_what_was_overtaken() {
        let overtaken = || Error::Overtaken {
            path: "audit.db".into(),
        };
        let mut attempts = 0;
        let read = until_confirmed(|| {
            attempts += 1;
            if attempts < 3 { Err(overtaken()) } else { Ok(7) }
        });
        assert_eq!((read.unwrap(), attempts), (7, 3));
        let mut attempts = 0;
        let failed = until_confirmed(|| -> Result<()> {
            attempts += 1;
            Err(overtaken())
        });
        assert!(failed.is_err());
        assert_eq!(attempts, ATTEMPTS);
        let mut attempts = 0;
        let failed = until_confirmed(|| -> Result<()> {
            attempts += 1;
            Err(Error::usage("no"))
        });
        assert!(failed.is_err());
        assert_eq!(attempts, 1);
    }
}
