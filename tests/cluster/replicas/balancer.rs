//! A Service in one process: connections are spread over the replicas that are ready, at layer 4.
//!
//! As in a cluster, who is being stopped gets no new connections but keeps those that it has, and who has died gets some
//! until a probe has noticed.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::cluster::environment::AdmitServer;

const PROBE_PAUSE: Duration = Duration::from_millis(200);

/// Works until the process ends.
#[derive(Clone)]
pub(super) struct Balancer {
    pub(super) port: u16,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    endpoints: Vec<Endpoint>,
    turn: usize,
    /// Which replica serves the client on which port.
    served: BTreeMap<u16, u16>,
}

struct Endpoint {
    port: u16,
    health_port: u16,
    is_ready: bool,
}

impl Balancer {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let balancer = Self { port: listener.local_addr().unwrap().port(), state: Arc::default() };
        let accepting = balancer.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                accepting.connect(client);
            }
        });
        let probing = balancer.clone();
        std::thread::spawn(move || {
            loop {
                probing.probe();
                std::thread::sleep(PROBE_PAUSE);
            }
        });
        balancer
    }

    pub(super) fn add(&self, replica: &AdmitServer) {
        let endpoint = Endpoint { port: replica.port, health_port: replica.health_port, is_ready: replica.is_ready() };
        self.state().endpoints.push(endpoint);
    }

    pub(super) fn remove(&self, replica: &AdmitServer) {
        self.state().endpoints.retain(|endpoint| endpoint.port != replica.port);
    }

    /// The port of the replica that serves the connection from that port.
    pub(super) fn replica_of(&self, client_port: u16) -> Option<u16> {
        self.state().served.get(&client_port).copied()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn probe(&self) {
        let ports: Vec<u16> = self.state().endpoints.iter().map(|endpoint| endpoint.health_port).collect();
        for port in ports {
            let is_ready = crate::cluster::environment::answers_ready(port);
            let mut state = self.state();
            state.endpoints.iter_mut().filter(|one| one.health_port == port).for_each(|one| one.is_ready = is_ready);
        }
    }

    fn next(&self) -> Option<u16> {
        let mut state = self.state();
        state.turn += 1;
        let ready: Vec<u16> = state.endpoints.iter().filter(|one| one.is_ready).map(|one| one.port).collect();
        ready.get(state.turn % ready.len().max(1)).copied()
    }

    fn connect(&self, client: TcpStream) {
        let Some(port) = self.next() else { return };
        let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { return };
        self.state().served.insert(client.peer_addr().unwrap().port(), port);
        for (from, to) in [(&client, &server), (&server, &client)] {
            from.set_nodelay(true).unwrap();
            let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            std::thread::spawn(move || copy(from, to));
        }
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    // The end of one direction is passed on; the other goes on by itself.
    let _ = to.shutdown(Shutdown::Write);
}
