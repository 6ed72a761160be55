//! Policies that would run for ever or fill the memory: stopped in time, without harm to others, and in the end set aside.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::webhook::{Running, ask, metrics, request};

/// For the server of `webhook`: objects named `runaway-…` match one of these, and one policy that says no as always.
pub(super) const POLICIES: &str = r#"
---
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: k8srunsaway}
spec:
  crd: {spec: {names: {kind: K8sRunsAway}, validation: {openAPIV3Schema: {type: object, properties: {how: {type: string}}}}}}
  targets:
    - target: admission.k8s.gatekeeper.sh
      rego: |
        package away
        digits := [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
        name := input.review.object.metadata.name
        violation[{"msg": "loops"}] {
          input.parameters.how == "loops"
          d := digits[_]; e := digits[_]; f := digits[_]; g := digits[_]; h := digits[_]; i := digits[_]; j := digits[_]
          k := digits[_]; l := digits[_]; d + e + f + g + h + i + j + k + l < 0
        }
        violation[{"msg": "range"}] {
          input.parameters.how == "range"
          count(numbers.range(1, 1000000000000)) == count(name)
        }
        violation[{"msg": "networks"}] {
          input.parameters.how == "networks"
          count(net.cidr_expand("10.0.0.0/6")) == count(name)
        }
        violation[{"msg": "squares"}] {
          input.parameters.how == "squares"
          a := (12345678901234567890123456789 + count(name)) * 98765432109876543210987654321
          b := a * a; c := b * b; d := c * c; e := d * d; f := e * e; g := f * f; h := g * g; i := h * h; j := i * i
          k := j * j; l := k * k; m := l * l; n := m * m; o := n * n; p := o * o; q := p * p; r := q * q; s := r * r
          t := s * s; u := t * t; v := u * u; w := v * v; x := w * w; y := x * x; z := y * y; z * z == 0
        }
        violation[{"msg": "text"}] {
          input.parameters.how == "text"
          a := concat(name, [sprintf("%v", [x]) | x := numbers.range(1, 100000)[_]])
          b := concat(a, [sprintf("%v", [x]) | x := numbers.range(1, 100000)[_]])
          count(b) == 0
        }
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: K8sRunsAway
metadata: {name: loops}
spec: {match: {name: "runaway-*"}, parameters: {how: loops}}
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: K8sRunsAway
metadata: {name: range}
spec: {match: {name: "runaway-*"}, parameters: {how: range}}
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: K8sRunsAway
metadata: {name: networks}
spec: {match: {name: "runaway-*"}, parameters: {how: networks}}
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: K8sRunsAway
metadata: {name: squares}
spec: {match: {name: "runaway-*"}, parameters: {how: squares}}
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: K8sRunsAway
metadata: {name: text}
spec: {match: {name: "runaway-*"}, parameters: {how: text}}
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: K8sSays
metadata: {name: says-no-beside-runaways}
spec: {match: {name: "runaway-*"}, parameters: {text: no way}}
"#;

const RUNAWAYS: [&str; 5] = ["loops", "range", "networks", "squares", "text"];

#[test]
fn runaway_policies_are_stopped_and_set_aside() {
    let mut messages = Vec::new();
    let mut longest = Duration::ZERO;
    for round in 0..5 {
        let started = Instant::now();
        let answer = ask(&request(&format!("runaway-{round}")));
        longest = longest.max(started.elapsed());
        let text = answer["response"]["status"]["message"].as_str().unwrap().to_owned();
        assert_eq!(answer["response"]["allowed"], Value::Bool(false));
        // Others are not affected.
        assert!(text.contains("[says-no-beside-runaways] no way"), "{text}");
        for name in RUNAWAYS {
            assert!(text.contains(&format!("[{name}] ")), "{name} counts as violated: {text}");
        }
        messages.push(text);
    }
    // The request's own patience is five seconds.
    assert!(longest < Duration::from_secs(5), "{longest:?}");
    assert!(messages[0].contains("[loops] evaluation stopped: it took longer than one policy may"), "{}", messages[0]);
    // Squares become too large to calculate with, or take too long, as fast as the machine is: not set aside each time.
    for name in RUNAWAYS.into_iter().filter(|name| *name != "squares") {
        assert!(messages[4].contains(&format!("[{name}] policy is set aside, because")), "{name}: {}", messages[4]);
    }
    // An ordinary request is judged as ever.
    let answer = ask(&request("bad-as-ever"));
    assert_eq!(answer["response"]["status"]["message"], "[denies] no way");
    let breaches = "gatekeeper_constraint_evaluation_breaches_total{constraint_kind=\"K8sRunsAway\",\
                    constraint_name=\"loops\",limit=\"time\"} 3";
    assert!(metrics().contains(breaches), "{}", metrics());
    let aside = "gatekeeper_constraint_set_aside{constraint_kind=\"K8sRunsAway\",constraint_name=\"loops\"} 1";
    assert!(metrics().contains(aside), "{}", metrics());
}

/// Those of the benchmark, which measures what memory they leave behind.
const MORE_RUNAWAYS: &str = include_str!("../bench/runaways.yaml");
const HOWS: [&str; 7] = ["range", "width", "networks", "squares", "product", "texts", "all"];
/// The patience that requests state.
const PATIENCE: Duration = Duration::from_secs(5);

#[test]
fn ordinary_requests_are_judged_as_ever_beside_runaways() {
    let server = Running::start(MORE_RUNAWAYS);
    let names = ["bad", "so-so", "good"];
    let expected = names.map(|name| server.ask(&request(name)));
    let stop = AtomicBool::new(false);
    let timed = |name: &str| {
        let started = Instant::now();
        let answer = server.ask(&request(name));
        assert!(started.elapsed() < PATIENCE, "{name}: {:?}", started.elapsed());
        answer
    };
    let answered = std::thread::scope(|scope| {
        let ordinary = scope.spawn(|| {
            let mut answered = 0;
            while !stop.load(Ordering::Relaxed) {
                for (name, expected) in names.iter().zip(&expected) {
                    assert_eq!(&timed(name), expected);
                    answered += 1;
                }
            }
            answered
        });
        let run_away = |how| {
            for turn in 0..4 {
                let answer = timed(&format!("runaway-{how}-{turn}"));
                assert_eq!(answer["response"]["allowed"], Value::Bool(false), "{how}: {answer}");
            }
        };
        let runaways = HOWS.map(|how| scope.spawn(move || run_away(how)));
        let ended = runaways.map(|thread| thread.join().is_ok());
        stop.store(true, Ordering::Relaxed);
        assert_eq!(ended, [true; HOWS.len()]);
        ordinary.join().unwrap()
    });
    assert!(answered > 0);
    assert_eq!(server.ask(&request("bad")), expected[0]);
}
