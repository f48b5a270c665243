//! Ticks at exact times, by a timer of the kernel (timerfd): tokio's own timers round to a millisecond.

use std::io;
use std::time::Duration;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::net::unix::pipe::Receiver;

use super::moment::Moment;

/// Ticks at `first` and every `period` after it, whether anybody waits or not.
#[derive(Debug)]
pub struct Pacer {
    /// Read like a pipe: eight bytes say how many ticks are over.
    timer: Receiver,
    /// The intended time of the next tick.
    next: Moment,
    period: Duration,
    /// Ticks that are over and were not taken yet.
    due: u64,
}

impl Pacer {
    /// Starts the ticking. Needs a runtime.
    pub fn new(first: Moment, period: Duration) -> io::Result<Self> {
        let timer =
            timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        let times = Itimerspec {
            it_interval: timespec(period),
            it_value: timespec(Duration::from_nanos(first.as_nanos())),
        };
        timerfd_settime(&timer, TimerfdTimerFlags::ABSTIME, &times)?;
        Ok(Self { timer: Receiver::from_owned_fd_unchecked(timer)?, next: first, period, due: 0 })
    }

    /// Waits for the next tick and says when it was meant to be. Ticks that nobody waited for come at once, one by one.
    /// Nothing is lost if the future is dropped.
    pub async fn tick(&mut self) -> io::Result<Moment> {
        while self.due == 0 {
            self.timer.readable().await?;
            let mut count = [0; 8];
            match self.timer.try_read(&mut count) {
                Ok(_) => self.due = u64::from_ne_bytes(count),
                Err(problem) if problem.kind() == io::ErrorKind::WouldBlock => {}
                Err(problem) => return Err(problem),
            }
        }
        self.due -= 1;
        let intended = self.next;
        self.next = intended.plus(self.period);
        Ok(intended)
    }
}

fn timespec(span: Duration) -> Timespec {
    let seconds = i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
    Timespec { tv_sec: seconds, tv_nsec: i64::from(span.subsec_nanos()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_tick_is_early_and_none_is_left_out() {
        let (begun, period) = (Moment::now(), Duration::from_millis(2));
        let mut pacer = Pacer::new(begun, period).unwrap();
        for number in 0..20 {
            let intended = pacer.tick().await.unwrap();
            assert_eq!(intended, begun.plus(period * number));
            assert!(Moment::now() >= intended);
        }
    }
}
