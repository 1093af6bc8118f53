//! What seeds mean.

use super::*;

#[test]
fn a_seed_means_one_schedule_and_neighbours_others() {
    let seeds = [0, 1, 2].map(|index| Plan::seed(1, index));
    let plans = seeds.map(|seed| Plan::from_seed(seed, Setting::Alone).describe());
    assert_eq!(plans[0], Plan::from_seed(seeds[0], Setting::Alone).describe());
    assert_ne!(plans[0], plans[1]);
    assert_ne!(plans[1], plans[2]);
}

/// The names of all steps of a few hundred schedules.
fn kinds_of_steps(setting: Setting) -> Vec<String> {
    let mut seen = std::collections::BTreeSet::new();
    for index in 0..200 {
        for (_, step) in Plan::from_seed(Plan::seed(1, index), setting).steps {
            let text = match step {
                Step::Disturb(what) => format!("{what:?}"),
                other => format!("{other:?}"),
            };
            seen.insert(text.split(['(', ' ']).next().unwrap().to_owned());
        }
    }
    seen.into_iter().collect()
}

const ALL: [&str; 8] =
    ["Kill", "OpenAnother", "Pause", "Publish", "Stop", "Subscribe", "Tear", "Unsubscribe"];

#[test]
fn a_few_hundred_schedules_hold_every_kind_of_step() {
    let mut all = ALL.to_vec();
    all.extend(["FillDisk", "FreeDisk"]);
    all.sort_unstable();
    assert_eq!(kinds_of_steps(Setting::Alone), all);
}

#[test]
fn a_few_hundred_schedules_of_a_cluster_hold_every_kind_of_disturbance() {
    let mut all = ALL.to_vec();
    all.extend(["BreakLine", "CutLine", "MendLine", "SlowLine", "Freeze", "Thaw"]);
    all.extend(["FillRedis", "FreeRedis", "FreezeRedis", "ThawRedis", "KillRedis", "StartRedis"]);
    all.push("JumpClock");
    all.sort_unstable();
    assert_eq!(kinds_of_steps(Setting::Cluster(RedisKind::One)), all);
}

#[test]
fn a_few_hundred_schedules_of_a_master_and_its_replica_hold_every_kind_of_disturbance() {
    for kind in [RedisKind::Sentinel, RedisKind::Cluster] {
        let mut all = ALL.to_vec();
        all.extend(["Freeze", "Thaw", "FreezeRedis", "ThawRedis"]);
        all.extend(["KillRedis", "KillReplica", "StartRedis", "FailOver", "JumpClock"]);
        all.sort_unstable();
        assert_eq!(kinds_of_steps(Setting::Cluster(kind)), all);
    }
}

#[test]
fn tenants_share_ids() {
    let plan = Plan::from_seed(Plan::seed(1, 0), Setting::Alone);
    let first_of = |tenant: usize| {
        plan.steps.iter().find_map(|(_, step)| match step {
            Step::Publish { tenant: of, publication, .. } if *of == tenant => {
                Some(publication.id.clone())
            }
            _ => None,
        })
    };
    assert!(first_of(0).is_some());
    assert_eq!(first_of(0), first_of(1));
}
