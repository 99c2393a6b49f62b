use super::*;

#[test]
fn a_worked_example() {
    // Logs 0.1 and 0.3: mean 0.2, standard error 0.1; widened by √(1.65 / 0.35) = 2.1712; t for one
    // degree is 12.706.
    let ratio = Ratio::of(&[0.1_f64.exp(), 0.3_f64.exp()]).unwrap();
    let interval = ratio.interval.unwrap();
    assert!((ratio.estimate - 0.2_f64.exp()).abs() < 1e-12);
    assert!((interval.low.ln() - (0.2 - 2.7588)).abs() < 1e-3, "{interval:?}");
    assert!((interval.high.ln() - (0.2 + 2.7588)).abs() < 1e-3, "{interval:?}");
    // Of two that are told together, t for 97.5 % is 25.452.
    let interval = Ratio::one_of(2, &[0.1_f64.exp(), 0.3_f64.exp()])
        .unwrap()
        .interval
        .unwrap();
    assert!((interval.low.ln() - (0.2 - 5.5262)).abs() < 1e-3, "{interval:?}");
}

#[test]
fn a_worked_example_of_three_rounds() {
    // Logs 0.1, 0.2 and 0.3: variance 0.01, standard error 0.057735; widened by 2.24611; t for two degrees is 4.30265.
    let interval = Ratio::of(&[0.1_f64.exp(), 0.2_f64.exp(), 0.3_f64.exp()])
        .unwrap()
        .interval
        .unwrap();
    assert!((interval.low.ln() - (0.2 - 0.55797)).abs() < 1e-3, "{interval:?}");
    assert!((interval.high.ln() - (0.2 + 0.55797)).abs() < 1e-3, "{interval:?}");
}

#[test]
fn a_subject_against_itself_is_inconclusive() {
    let same = Ratio::of(&[1.0; 6]).unwrap();
    assert_eq!(same.interval, Some(Interval { low: 1.0, high: 1.0 }));
    assert_eq!(same.verdict(), Verdict::Inconclusive);
    let noisy = Ratio::of(&[0.97, 1.02, 1.01, 0.99, 1.03, 1.0]).unwrap();
    assert_eq!(noisy.verdict(), Verdict::Inconclusive);
}

#[test]
fn a_ratio_and_its_inverse_get_the_same_verdict() {
    let rounds = [3.1, 2.7, 2.9, 3.3, 3.0, 2.8];
    let inverse = rounds.map(|ratio| 1.0 / ratio);
    let (ratio, inverse) = (Ratio::of(&rounds).unwrap(), Ratio::of(&inverse).unwrap());
    assert!((ratio.estimate * inverse.estimate - 1.0).abs() < 1e-12);
    assert_eq!((ratio.verdict(), inverse.verdict()), (Verdict::Faster, Verdict::Slower));
}

#[test]
fn a_verdict_is_one_word() {
    let names = [Verdict::Faster, Verdict::Slower, Verdict::Inconclusive].map(Verdict::name);
    assert_eq!(names, ["faster", "slower", "inconclusive"]);
}

#[test]
fn too_few_rounds_are_never_a_finding() {
    let ratio = Ratio::of(&[100.0]).unwrap();
    assert_eq!((ratio.interval, ratio.verdict()), (None, Verdict::Inconclusive));
    for count in 2..=MIN_ROUNDS_FOR_VERDICT {
        let (faster, slower) = (
            Ratio::of(&vec![100.0; count]).unwrap(),
            Ratio::of(&vec![0.01; count]).unwrap(),
        );
        let is_verdict = count >= MIN_ROUNDS_FOR_VERDICT;
        assert!(faster.interval.is_some_and(|it| it.low > 99.0), "{count}");
        assert_eq!(faster.verdict() == Verdict::Faster, is_verdict, "{count}");
        assert_eq!(slower.verdict() == Verdict::Slower, is_verdict, "{count}");
    }
}

#[test]
fn what_is_no_ratio_gives_none() {
    for rounds in [&[][..], &[1.0, 0.0], &[-1.0], &[f64::NAN], &[f64::INFINITY]] {
        assert_eq!(Ratio::of(rounds), None);
    }
}

#[test]
fn wild_rounds_still_give_numbers() {
    let interval = Ratio::one_of(20, &[1e-9, 1e9]).unwrap().interval.unwrap();
    assert!(interval.low > 0.0 && interval.high.is_finite(), "{interval:?}");
}

/// Steele, Lea and Flood's generator: the same numbers in each run.
struct SplitMix(u64);

impl SplitMix {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((word ^ (word >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Box and Muller's.
    fn normal(&mut self) -> f64 {
        let (radius, angle) = (1.0 - self.uniform(), self.uniform());
        (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
    }
}

/// How many of 4,000 benches, each of so many rounds, have an interval that misses the true ratio, 1: in percent.
fn misses(rounds: usize, correlation: f64, family: usize) -> f64 {
    const BENCHES: usize = 4_000;
    let mut random = SplitMix(rounds as u64);
    let innovation = (1.0 - correlation * correlation).sqrt();
    let missed = (0..BENCHES).filter(|_| {
        let is_missed = (0..family).filter(|_| {
            let mut log = random.normal();
            let rounds = (0..rounds).map(|_| {
                log = correlation * log + innovation * random.normal();
                (0.05 * log).exp()
            });
            let rounds: Vec<_> = rounds.collect();
            let Interval { low, high } = Ratio::one_of(family, &rounds).unwrap().interval.unwrap();
            low > 1.0 || high < 1.0
        });
        is_missed.count() > 0
    });
    100.0 * missed.count() as f64 / BENCHES as f64
}

#[test]
fn an_interval_of_few_rounds_keeps_its_promise() {
    for rounds in [2, 3, 5, 6, 12] {
        let missed = misses(rounds, 0.0, 1);
        assert!(missed < 5.0, "{rounds} rounds: {missed} %");
    }
    // And not by being so wide that it says nothing: with a twentieth of noise, six rounds tell a fifth for certain.
    let six = Ratio::of(&[1.27, 1.21, 1.30, 1.24, 1.35, 1.28]).unwrap();
    assert_eq!(six.verdict(), Verdict::Faster);
}

#[test]
fn it_keeps_it_for_rounds_that_depend_on_each_other() {
    for rounds in [2, 3, 5, 6, 12] {
        for correlation in [0.3, 0.6] {
            let missed = misses(rounds, correlation, 1);
            assert!(missed < 5.0, "{rounds} rounds: {missed} %");
        }
    }
}

#[test]
fn it_keeps_it_for_ten_ratios_together() {
    for rounds in [2, 3, 6] {
        let missed = misses(rounds, 0.3, 10);
        assert!(missed < 5.0, "{rounds} rounds: {missed} %");
    }
}
