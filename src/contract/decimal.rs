//! Whole numbers as decimal text, without an allocation and without the formatter.

/// The most digits a 64-bit number has.
const MAX_DIGITS: usize = 20;

/// Appends `number` in decimal.
pub(super) fn push(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0; MAX_DIGITS];
    let start = fill(&mut digits, number);
    out.extend_from_slice(&digits[start..]);
}

/// Appends `number` in decimal, with a minus sign where it is negative.
pub(super) fn push_signed(out: &mut Vec<u8>, number: i64) {
    if number < 0 {
        out.push(b'-');
    }
    push(out, number.unsigned_abs());
}

/// Appends `number` in decimal to text.
pub(super) fn push_str(out: &mut String, number: u64) {
    let mut digits = [0; MAX_DIGITS];
    let start = fill(&mut digits, number);
    out.extend(digits[start..].iter().copied().map(char::from));
}

/// Writes the digits at the end of the array, and says where they start.
fn fill(digits: &mut [u8; MAX_DIGITS], mut number: u64) -> usize {
    let mut start = MAX_DIGITS;
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return start;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_reads_as_the_formatter_writes_it() {
        for number in [0, 1, 9, 10, 99, 100, 1000, i64::MAX, -1, -10, i64::MIN] {
            let mut bytes = Vec::new();
            push_signed(&mut bytes, number);
            assert_eq!(bytes, number.to_string().into_bytes());
        }
        let mut text = String::from("n = ");
        push_str(&mut text, u64::MAX);
        assert_eq!(text, format!("n = {}", u64::MAX));
    }
}
