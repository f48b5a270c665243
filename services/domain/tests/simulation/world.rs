//! A run: gateways, pools, and what happens between them until everything is healed and settled.

use std::time::Duration;

use crate::Checked;
use crate::gateway::{Gateway, Scene};
use crate::pool::Pool;
use crate::seen::Seen;
use crate::stage::{Happening, Stage};

/// No run has more happenings: one that has does not come to rest.
const EVENTS_MAX: usize = 400_000;
/// Longer than holds live and slices lie at nodes.
const AFTERWARDS: Duration = Duration::from_secs(200);

struct World<'s> {
    stage: Stage<'s>,
    pools: Vec<Pool>,
    gateways: Vec<Gateway>,
}

/// Runs a seed. What it reached, or which promise was broken.
pub(crate) fn run(seed: u64, trace: Option<&mut Vec<String>>) -> Result<Seen, String> {
    let mut stage = Stage::new(seed, trace);
    let weather = format!("{:?}", stage.weather);
    stage.note(|| weather);
    let count = 1 + usize::from(stage.dice.one_in(3));
    let pools = (0..count).map(|number| Pool::begin(number, &mut stage)).collect::<Result<_, _>>()?;
    let count = 3 + stage.dice.place(4);
    let gateways = (0..count).map(|number| Gateway::new(number, &mut stage)).collect();
    let mut world = World { stage, pools, gateways };
    world.schedule();
    world.go_on()?;
    for pool in &mut world.pools {
        pool.end(&mut world.stage)?;
    }
    Ok(world.stage.seen)
}

impl World<'_> {
    /// What happens by itself, for the first time.
    fn schedule(&mut self) {
        let Self { stage, pools, gateways } = self;
        for gateway in 0..gateways.len() {
            let wait = stage.weather.call_wait(&mut stage.dice);
            stage.after(wait, Happening::Call { gateway });
            again(stage, stage.weather.crash_every_ms, Happening::Crash { gateway });
        }
        for pool in 0..pools.len() {
            again(stage, stage.weather.kill_every_ms, Happening::Kill { pool });
            again(stage, stage.weather.govern_every_ms, Happening::Govern { pool });
            again(stage, Some(6_000), Happening::Snapshot { pool });
        }
        again(stage, stage.weather.jump_every_ms, Happening::Jump);
        again(stage, Some(5_000), Happening::Surge);
        stage.after(stage.weather.run, Happening::Heal);
    }

    fn go_on(&mut self) -> Checked {
        while !(self.stage.weather.is_over && self.gateways.iter().all(Gateway::is_at_rest)) {
            let next = self.stage.next().ok_or("nothing is left to happen, and not all is settled")?;
            self.happen(next)?;
            if self.stage.seen.events > EVENTS_MAX {
                return Err(format!("{EVENTS_MAX} events, and not all is settled"));
            }
        }
        self.stage.note(|| "all is settled".into());
        let until = self.stage.now().plus(AFTERWARDS);
        while self.stage.now() < until {
            let next = self.stage.next().ok_or("nobody looks after slices any more")?;
            self.happen(next)?;
        }
        Ok(())
    }

    fn happen(&mut self, what: Happening) -> Checked {
        let stage = &mut self.stage;
        match what {
            Happening::Ask { pool, from, ask } => self.pools[pool].hear(from, ask, stage),
            Happening::Appended { pool, life } => self.pools[pool].appended(life, stage),
            Happening::Look { pool, life } => self.pools[pool].look(life, stage),
            Happening::Rise { pool } => self.rise(pool),
            Happening::Kill { pool } => {
                again(stage, stage.weather.kill_every_ms, Happening::Kill { pool });
                if stage.weather.is_over { Ok(()) } else { self.pools[pool].kill(stage) }
            }
            Happening::Snapshot { pool } => {
                again(stage, (!stage.weather.is_over).then_some(6_000), Happening::Snapshot { pool });
                self.pools[pool].take_snapshot(stage);
                Ok(())
            }
            Happening::Govern { pool } => {
                again(stage, stage.weather.govern_every_ms, Happening::Govern { pool });
                if stage.weather.is_over { Ok(()) } else { self.pools[pool].govern(stage) }
            }
            Happening::Tell { to, pool, tell } => {
                self.gateways[to].hear(pool, tell, stage);
                Ok(())
            }
            Happening::Timer { gateway, life, timer } => {
                let scene = &mut Scene { stage, pools: &mut self.pools };
                self.gateways[gateway].timer(life, timer, scene)
            }
            other => {
                self.happen_to_callers(&other);
                Ok(())
            }
        }
    }

    fn happen_to_callers(&mut self, what: &Happening) {
        let stage = &mut self.stage;
        match what {
            &Happening::Call { gateway } if !stage.weather.is_over => {
                let wait = stage.weather.call_wait(&mut stage.dice);
                stage.after(wait, Happening::Call { gateway });
                self.gateways[gateway].called(self.pools.len(), stage);
            }
            &Happening::Crash { gateway } if !stage.weather.is_over => {
                again(stage, stage.weather.crash_every_ms, Happening::Crash { gateway });
                self.gateways[gateway].crash(stage);
            }
            &Happening::Restart { gateway } => {
                self.gateways[gateway].restart(&mut Scene { stage, pools: &mut self.pools });
            }
            Happening::Surge if !stage.weather.is_over => {
                stage.weather.surging = !stage.weather.surging;
                let most = if stage.weather.surging { 900 } else { 9_000 };
                again(stage, Some(most), Happening::Surge);
            }
            Happening::Jump if !stage.weather.is_over => {
                stage.seen.jumps += 1;
                again(stage, stage.weather.jump_every_ms, Happening::Jump);
                let far = stage.dice.one_in(4);
                let by = stage.dice.ms(if far { 60_000..200_000_000 } else { 100..30_000 });
                stage.note(|| format!("clocks jump by {by:?}"));
                stage.jump(by);
            }
            Happening::Heal => {
                stage.note(|| "all is healed".into());
                stage.weather.heal();
            }
            _ => {}
        }
    }

    /// A node begins; gateways that notice tell it what they have under way.
    fn rise(&mut self, pool: usize) -> Checked {
        self.pools[pool].rise(&mut self.stage)?;
        for gateway in &self.gateways {
            if self.stage.dice.percent(60) {
                gateway.declare(pool, &mut self.stage);
            }
        }
        Ok(())
    }
}

/// Schedules what happens again and again, if it does.
fn again(stage: &mut Stage, every_ms: Option<u64>, what: Happening) {
    if let Some(every_ms) = every_ms {
        let wait = stage.dice.ms(1..2 * every_ms);
        stage.after(wait, what);
    }
}
