//! Three replicas behind a Service: replaced one by one, and one killed, under load.
//!
//! `ADMIT_TEST_RATE` is the number of requests a second, 100 otherwise, which a debug build on a busy machine can answer;
//! `tests/bench/replicas` runs this with a release build and 500.

mod balancer;
mod load;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use balancer::Balancer;
use load::{Load, Outcome};

use super::environment::scope::{RegisteredWebhook, Scope};
use super::environment::{AdmitServer, Environment, wait_until};
use super::{LATER, apply_constraint, approved_registries, prepared, start_with};

const CLIENTS: u32 = 8;
const ARGUMENTS: [&str; 1] = ["--shutdown-delay=2"];
/// For every client to have asked several times, and kubectl a few times.
const A_WHILE: Duration = Duration::from_secs(3);

struct Service {
    environment: &'static Environment,
    scope: Scope,
    balancer: Balancer,
    replicas: Vec<AdmitServer>,
    _webhook: RegisteredWebhook,
}

impl Service {
    fn start(name: &str) -> Self {
        let environment = prepared();
        let scope = environment.scope(name);
        let balancer = Balancer::start();
        let replicas: Vec<AdmitServer> = (0..3).map(|_| start_with(environment, &ARGUMENTS)).collect();
        replicas.iter().for_each(|replica| balancer.add(replica));
        apply_constraint(environment, &approved_registries(name, &scope.namespace(), "deny"));
        let mut configuration = scope.webhook_configuration(&replicas[0], "Fail");
        configuration["webhooks"][0]["clientConfig"]["url"] =
            format!("https://127.0.0.1:{}/v1/admit", balancer.port).into();
        let webhook = environment.register(&configuration);
        let service = Self { environment, scope, balancer, replicas, _webhook: webhook };
        let namespace = service.scope.namespace();
        assert!(wait_until(LATER, || run_pod(environment, &namespace, true) == Verdict::Denied));
        service
    }

    fn load(&self) -> Load {
        let rate = std::env::var("ADMIT_TEST_RATE").map_or(100, |text| text.parse().unwrap());
        Load::start(&self.balancer, &self.environment.ca_pem(), &self.scope.namespace(), CLIENTS, rate)
    }

    /// The new one first, as a Deployment does that may have one too many and none too few.
    fn replace(&mut self, index: usize) {
        let new = start_with(self.environment, &ARGUMENTS);
        self.balancer.add(&new);
        let mut old = std::mem::replace(&mut self.replicas[index], new);
        self.balancer.remove(&old);
        assert!(old.terminate().is_some_and(|status| status.success()), "{}", old.log());
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Denied,
    Allowed,
    Failed(String),
}

fn run_pod(environment: &Environment, namespace: &str, is_bad: bool) -> Verdict {
    let image = if is_bad { "registry.example.com/elsewhere/web" } else { "registry.example.com/approved/web" };
    let arguments = ["run", "web", "--image", image, "--namespace", namespace, "--dry-run=server"];
    let output = environment.kubectl(&arguments);
    match output.success {
        true => Verdict::Allowed,
        false if output.stderr.contains("denied the request: [") => Verdict::Denied,
        false => Verdict::Failed(output.stderr),
    }
}

/// Bad and good Pods in turn, by kubectl. What was not as it should be, when, and how many verdicts there were.
struct Users {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(Vec<(Instant, Verdict)>, usize)>,
}

impl Users {
    fn start(environment: &'static Environment, namespace: String) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let (mut wrong, mut count) = (Vec::new(), 0);
            while !stopped.load(Ordering::Relaxed) {
                let is_bad = count % 2 == 0;
                let verdict = run_pod(environment, &namespace, is_bad);
                count += 1;
                if verdict != if is_bad { Verdict::Denied } else { Verdict::Allowed } {
                    wrong.push((Instant::now(), verdict));
                }
            }
            (wrong, count)
        });
        Self { stop, thread }
    }

    fn finish(self) -> (Vec<(Instant, Verdict)>, usize) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn check_judged(outcome: &Outcome) {
    println!("{} denied, {} allowed, {} connections", outcome.denied, outcome.allowed, outcome.connections);
    assert!(outcome.denied > 50 && outcome.allowed > 50, "{outcome:?}");
}

#[test]
fn replicas_are_replaced_one_by_one_and_no_request_is_lost() {
    let mut service = Service::start("rolling");
    let users = Users::start(service.environment, service.scope.namespace());
    let begun = Instant::now();
    let load = service.load();
    for index in 0..3 {
        std::thread::sleep(A_WHILE / 3);
        service.replace(index);
    }
    std::thread::sleep(A_WHILE / 3);
    let outcome = load.finish();
    let (wrong, count) = users.finish();
    println!("{count} by kubectl, in {:?}", begun.elapsed());
    assert!(outcome.failures.is_empty(), "{:#?}", outcome.failures);
    assert!(wrong.is_empty() && count >= 4, "{count}: {wrong:?}");
    check_judged(&outcome);
    assert!(outcome.connections > CLIENTS as usize, "clients were sent elsewhere: {outcome:?}");
}

#[test]
fn a_replica_that_is_killed_takes_only_its_own_requests_with_it() {
    let mut service = Service::start("killed");
    let users = Users::start(service.environment, service.scope.namespace());
    let load = service.load();
    std::thread::sleep(A_WHILE);
    let (port, killed) = (service.replicas[0].port, Instant::now());
    service.replicas[0].kill();
    std::thread::sleep(A_WHILE);
    let outcome = load.finish();
    let (wrong, count) = users.finish();
    let elsewhere: Vec<_> = outcome.failures.iter().filter(|failure| failure.replica != Some(port)).collect();
    println!("{} requests died with the replica, {} by kubectl of {count}", outcome.failures.len(), wrong.len());
    assert!(elsewhere.is_empty(), "{elsewhere:#?}");
    assert!(outcome.failures.len() <= CLIENTS as usize, "one a connection: {:#?}", outcome.failures);
    // Denied or failed, but nothing that should be denied is ever allowed; and soon all is well.
    assert!(wrong.iter().all(|(_, verdict)| matches!(verdict, Verdict::Failed(_))), "{wrong:?}");
    assert!(wrong.iter().all(|(at, _)| at.duration_since(killed) < LATER / 4), "{wrong:?}");
    assert!(count > wrong.len(), "{wrong:?}");
    check_judged(&outcome);
}
