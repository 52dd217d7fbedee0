//! The time axis: where a moment lies, and which moments are labelled.

/// A stretch of time on a stretch of paper.
pub struct Axis {
    /// The left and the right end on paper.
    pub left: f64,
    pub right: f64,
    /// The time that the left end stands for, and how long the whole is.
    pub from_ms: u64,
    pub length_ms: u64,
}

/// Labels do not come closer than this.
const CLOSEST: f64 = 64.0;

impl Axis {
    /// Where a moment lies.
    pub fn place(&self, at_ms: u64) -> f64 {
        let share = at_ms.saturating_sub(self.from_ms) as f64 / self.length_ms.max(1) as f64;
        self.left + (self.right - self.left) * share.min(1.0)
    }

    /// The labelled moments, with their labels in seconds from the left end.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        let closest_ms = self.length_ms as f64 * CLOSEST / (self.right - self.left);
        let step = steps().find(|&step| step as f64 >= closest_ms).unwrap_or(u64::MAX);
        let decimals = [1000, 100, 10, 1].iter().position(|unit| step.is_multiple_of(*unit)).unwrap_or(0);
        let moments = (0..).map_while(|count: u64| count.checked_mul(step));
        moments
            .take_while(|&at| at <= self.length_ms)
            .map(|at| (self.place(self.from_ms + at), format!("{:.decimals$} s", at as f64 / 1000.0)))
            .collect()
    }
}

/// Round numbers of milliseconds: 1, 2, 5, 10, 20, …
fn steps() -> impl Iterator<Item = u64> {
    (0..19)
        .flat_map(|power| [1, 2, 5].into_iter().filter_map(move |digit| 10_u64.pow(power).checked_mul(digit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(length_ms: u64) -> Vec<String> {
        let axis = Axis { left: 100.0, right: 900.0, from_ms: 5, length_ms };
        let ticks = axis.ticks();
        for pair in ticks.windows(2) {
            assert!(pair[1].0 - pair[0].0 >= CLOSEST - 0.001, "{length_ms}: {ticks:?}");
        }
        assert!(ticks.len() <= 13 && ticks.iter().all(|tick| tick.0 <= 900.0), "{ticks:?}");
        ticks.into_iter().map(|tick| tick.1).collect()
    }

    #[test]
    fn labels_are_round_and_apart() {
        assert_eq!(ticks(4000)[..3], ["0.0 s", "0.5 s", "1.0 s"]);
        assert_eq!(ticks(12_000)[..3], ["0 s", "1 s", "2 s"]);
        assert_eq!(ticks(100)[1], "0.01 s");
        assert_eq!(ticks(86_400_000)[1], "10000 s");
        assert_eq!(ticks(0), ["0.000 s"]);
        assert!(!ticks(u64::MAX - 5).is_empty());
    }

    #[test]
    fn moments_stay_on_the_paper() {
        let axis = Axis { left: 100.0, right: 900.0, from_ms: 1000, length_ms: 1000 };
        assert_eq!([0, 1000, 1500, 2000, 9000].map(|at| axis.place(at)), [100.0, 100.0, 500.0, 900.0, 900.0]);
    }
}
