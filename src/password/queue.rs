//! The passwords that wait to be hashed: clients take turns, and jobs that can be computed together leave together.

use std::collections::VecDeque;

use ipnet::IpNet;
use tokio::sync::oneshot;

use super::PasswordHash;
use super::hash::HashInput;

/// One hash to compute, and who waits for it.
pub(super) struct Job {
    pub(super) input: HashInput,
    pub(super) answer: oneshot::Sender<PasswordHash>,
}

/// The jobs of each client, in the order of their turns. No client is without jobs.
///
/// With one line for all, a client with many jobs would make everyone else wait for all of them.
#[derive(Default)]
pub(super) struct Queue {
    turns: VecDeque<(Option<IpNet>, VecDeque<Job>)>,
}

impl Queue {
    /// Adds a job behind those of its client. Jobs without a client share one turn.
    pub(super) fn push(&mut self, client: Option<IpNet>, job: Job) {
        match self.turns.iter_mut().find(|(other, _)| *other == client) {
            Some((_, jobs)) => jobs.push_back(job),
            None => self.turns.push_back((client, VecDeque::from([job]))),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.turns.iter().map(|(_, jobs)| jobs.len()).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// Requests that were given up need no hash.
    pub(super) fn forget_given_up(&mut self) {
        for (_, jobs) in &mut self.turns {
            jobs.retain(|job| !job.answer.is_closed());
        }
        self.turns.retain(|(_, jobs)| !jobs.is_empty());
    }

    /// Takes the job whose turn it is, and up to `most` in all that can be computed with it. Those that cannot keep their
    /// turn.
    pub(super) fn take(&mut self, most: usize) -> Vec<Job> {
        let mut batch: Vec<Job> = Vec::new();
        let mut at = 0;
        while batch.len() < most && at < self.turns.len() {
            let fits = |job: &Job| batch.first().is_none_or(|first| first.input.fits(&job.input));
            match self.turns[at].1.pop_front_if(|job| fits(job)) {
                // Its client's next turn is after all others, so the next client is here now.
                Some(job) => {
                    batch.push(job);
                    self.end_turn(at);
                }
                None => at += 1,
            }
        }
        batch
    }

    fn end_turn(&mut self, at: usize) {
        if let Some(client) = self.turns.remove(at).filter(|(_, jobs)| !jobs.is_empty()) {
            self.turns.push_back(client);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{HashParameters, Password};
    use super::*;

    /// Jobs, told apart by the address of a client and the cost. Their requests wait as long as this lives.
    #[derive(Default)]
    struct Requests(Vec<oneshot::Receiver<PasswordHash>>);

    impl Requests {
        fn job(&mut self, parameters: &HashParameters) -> Job {
            let (answer, answered) = oneshot::channel();
            self.0.push(answered);
            Job { input: HashInput::new(&Password::new("x"), parameters), answer }
        }

        fn push(&mut self, queue: &mut Queue, client: u8, cost: u32) {
            queue.push(Some(network(client)), self.job(&HashParameters::random(cost)));
        }
    }

    fn network(client: u8) -> IpNet {
        IpNet::from(std::net::IpAddr::from([192, 0, 2, client]))
    }

    /// The costs of the jobs in the order in which they leave, `most` at once.
    fn leaving(queue: &mut Queue, most: usize) -> Vec<Vec<u32>> {
        let batches = std::iter::from_fn(|| Some(queue.take(most)).filter(|batch| !batch.is_empty()));
        batches.map(|batch| batch.iter().map(|job| job.input.cost().unwrap_or(0)).collect()).collect()
    }

    #[test]
    fn a_client_with_many_jobs_does_not_delay_the_first_of_another() {
        let (mut queue, mut requests) = (Queue::default(), Requests::default());
        for (client, cost) in [(1, 4), (1, 5), (1, 6), (1, 7), (2, 8), (2, 9), (3, 10)] {
            requests.push(&mut queue, client, cost);
        }
        assert_eq!(queue.len(), 7);
        assert_eq!(leaving(&mut queue, 1).concat(), [4, 8, 10, 5, 9, 6, 7]);
        assert!(queue.is_empty());
    }

    #[test]
    fn jobs_without_a_client_are_first_come_first_served() {
        let (mut queue, mut requests) = (Queue::default(), Requests::default());
        for cost in [6, 4, 5] {
            queue.push(None, requests.job(&HashParameters::random(cost)));
        }
        assert_eq!(leaving(&mut queue, 1).concat(), [6, 4, 5]);
    }

    #[test]
    fn a_batch_has_one_cost_and_what_does_not_fit_keeps_its_turn() {
        let (mut queue, mut requests) = (Queue::default(), Requests::default());
        for (client, cost) in [(1, 4), (2, 5), (3, 4), (1, 4), (2, 4), (3, 5)] {
            requests.push(&mut queue, client, cost);
        }
        assert_eq!(leaving(&mut queue, 3), [vec![4, 4, 4], vec![5, 5], vec![4]]);
    }

    #[test]
    fn hashes_of_other_systems_are_computed_alone() {
        let (mut queue, mut requests) = (Queue::default(), Requests::default());
        let foreign = HashParameters::parse("pbkdf2:sha256:1000$2GqTnYvF0kLw8sRz$").unwrap();
        for client in 1..4 {
            queue.push(Some(network(client)), requests.job(&foreign));
        }
        requests.push(&mut queue, 4, 4);
        assert_eq!(leaving(&mut queue, 6), [[0], [0], [0], [4]]);
    }

    #[test]
    fn a_request_that_was_given_up_takes_no_lane() {
        let (mut queue, mut requests) = (Queue::default(), Requests::default());
        for (client, cost) in [(1, 4), (1, 5), (2, 6)] {
            requests.push(&mut queue, client, cost);
        }
        drop(requests.0.drain(..2));
        queue.forget_given_up();
        assert_eq!(leaving(&mut queue, 6), [[6]]);
    }
}
