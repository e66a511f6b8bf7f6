//! `--repeat`: whether the trials of each round went as those of the first one.

use segproof_core::lanes::difference;
use segproof_harness::plan::{LANES_FILE, RunPlan, TrialPlan};

/// Prints, for each trial that has gone otherwise, the first difference side by side. Only scenarios that leave nothing
/// to the moment are compared.
pub fn compare(rounds: &[RunPlan]) {
    let [first, others @ ..] = rounds else { return };
    if others.is_empty() {
        return;
    }
    let mut compared = 0;
    let mut differ = 0;
    for trial in &first.trials {
        let Some(wanted) = lanes(first, trial) else { continue };
        compared += 1;
        let mut seen = others.iter().zip(2..).filter_map(|(plan, nth)| Some((nth, lanes(plan, trial)?)));
        let found = seen.find_map(|(nth, lanes)| Some((nth, difference(&wanted, &lanes)?)));
        if let Some((nth, difference)) = found {
            differ += 1;
            println!("{}: round 1 | round {nth}: {difference}", trial.name());
        }
    }
    println!("{compared} trials compared over {} rounds, {differ} differ", rounds.len());
}

fn lanes(plan: &RunPlan, trial: &TrialPlan) -> Option<String> {
    std::fs::read_to_string(trial.dir(&plan.out).join(LANES_FILE)).ok()
}

#[cfg(test)]
mod tests {
    use segproof_core::lanes;
    use segproof_harness::run::read_scenario;

    use super::super::{OWN_PLAYER, select};
    use crate::paths;

    #[test]
    fn every_snapshot_is_of_a_scenario_that_is_compared() {
        let mut stale = Vec::new();
        for (name, file) in select::find_scenarios(&paths::root().join("scenarios")).expect("scenarios") {
            let snapshot = file.with_file_name(format!("{OWN_PLAYER}.snap"));
            if snapshot.exists() && !lanes::are_fixed(&read_scenario(&file).expect("readable")) {
                stale.push(name);
            }
        }
        assert!(stale.is_empty(), "nobody compares their snapshots: {stale:#?}");
    }
}
