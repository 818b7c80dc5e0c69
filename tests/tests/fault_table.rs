//! Every write of a scenario × everything that can go wrong with it × what the process does next.
//!
//! The table is enumerated from a run without faults, so a write that is added to the engine adds its cells by itself.
//! Each cell ends with the scenario done, whatever came between; a cell that fails prints the line that replays it.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use cartulaire_engine::commit::{Committed, Event, Submission};
use cartulaire_engine::fault::Fault;
use cartulaire_formats::journal::{EventType, Outcome};
use cartulaire_tests::model::{Depth, Model, OwnedFile, Violation};
use cartulaire_tests::rig::{Rig, World, tenant};
use cartulaire_tests::sim::{Operation, SimStore, Then, WriteFault, WriteRecord};

/// One thing that somebody asks of the archive. Each can be asked again until it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Open,
    Tenant,
    /// A document that goes inside its commit.
    Small,
    /// A document that gets a container of its own.
    Large,
    /// Both contents again, under another transfer identifier.
    Duplicate,
    /// The first transfer again: the same bytes, then others.
    Again,
    /// More events in one commit than a tile has leaves.
    Crowd,
    Seal,
    Reopen,
}

const SCENARIO: [Step; 12] = [
    Step::Open,
    Step::Tenant,
    Step::Small,
    Step::Seal,
    Step::Large,
    Step::Duplicate,
    Step::Again,
    Step::Crowd,
    Step::Seal,
    Step::Reopen,
    Step::Small,
    Step::Seal,
];

/// What can go wrong with a write, within the contract of the port.
const WITHIN_CONTRACT: [WriteFault; 7] = [
    WriteFault::Lost,
    WriteFault::Persisted,
    WriteFault::Full,
    WriteFault::Unreachable,
    WriteFault::Eio,
    WriteFault::Volatile,
    WriteFault::Late,
];

/// What only a medium that lies can do.
const BEYOND_CONTRACT: [WriteFault; 3] =
    [WriteFault::Torn { kept: 0 }, WriteFault::Torn { kept: 700 }, WriteFault::Forgotten];

/// What happens after the fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aftermath {
    GoOn,
    Crash,
    CrashWithoutIndex,
}

const AFTERMATHS: [Aftermath; 3] = [Aftermath::GoOn, Aftermath::Crash, Aftermath::CrashWithoutIndex];

/// One cell of the table.
#[derive(Debug, Clone, Copy)]
struct Cell {
    /// 0 is the deciding site, then the copies.
    site: usize,
    write: u64,
    fault: WriteFault,
    aftermath: Aftermath,
}

/// Why a cell is not as it must be; what it holds is there to be printed.
#[derive(Debug)]
#[expect(dead_code, reason = "read by Debug alone")]
enum Failure {
    /// A promise is broken.
    Broken(Violation),
    /// The fault was reported in another class than the write's.
    Class { step: Step, write: WriteRecord, found: Fault },
    /// The step failed though nothing was wrong any more.
    NoProgress(Step, Fault),
    /// The writer went on after a write of unknown outcome.
    NotPoisoned(Step),
}

impl From<Violation> for Failure {
    fn from(violation: Violation) -> Self {
        Self::Broken(violation)
    }
}

/// A scenario under way.
struct Run {
    world: World,
    rig: Option<Rig>,
    model: Model,
    deposits: usize,
}

const SEED: u64 = 11;
const COPIES: u64 = 1;

impl Run {
    fn new() -> Self {
        Self { world: World::with_copies(SEED, COPIES), rig: None, model: Model::default(), deposits: 0 }
    }

    fn rig(&mut self) -> &mut Rig {
        self.rig.as_mut().expect("the first step opens the archive, and so does every recovery")
    }

    fn perform(&mut self, step: Step) -> Result<(), StepError> {
        match step {
            Step::Open | Step::Reopen => {
                self.rig = None;
                self.rig = Some(self.world.open()?);
                self.settle()
            }
            Step::Tenant => {
                self.model.tenant("kerlouan");
                if self.rig().archive.index().tenant(&tenant("kerlouan")).map_err(Fault::from)?.is_none() {
                    self.rig().create_tenant("kerlouan")?;
                }
                Ok(())
            }
            Step::Small => self.deposit(vec![("acte.txt".into(), format!("deliberation {}", self.deposits).into())]),
            Step::Large => self.deposit(vec![("note.txt".into(), b"annex".to_vec()), ("plan.bin".into(), large())]),
            Step::Duplicate => {
                self.deposit(vec![("copie.bin".into(), large()), ("copie.txt".into(), b"annex".to_vec())])
            }
            Step::Again => self.again(),
            Step::Crowd => self.crowd(),
            Step::Seal => Ok(self.rig().writers.sealer.seal().map(drop)?),
        }
    }

    fn settle(&mut self) -> Result<(), StepError> {
        let rig = self.rig.as_ref().expect("just opened");
        self.model.settle(rig)?;
        Ok(self.model.check(&self.world, rig, true, Depth::Chains)?)
    }

    /// Deposits under the identifier of this step, the same at every attempt; done if an attempt in doubt had succeeded.
    fn deposit(&mut self, files: Vec<OwnedFile>) -> Result<(), StepError> {
        let transfer = format!("T-{}", self.deposits);
        let answer = self.submit(&transfer, &files);
        let rig = self.rig.as_ref().expect("open");
        self.model.answered(&rig.archive, ("kerlouan", &transfer), files, &answer)?;
        answer?;
        self.deposits += 1;
        Ok(())
    }

    fn submit(&mut self, transfer: &str, files: &[OwnedFile]) -> Result<Committed, Fault> {
        let files: Vec<_> = files.iter().map(|(name, content)| (name.as_str(), content.as_slice())).collect();
        self.rig().deposit("kerlouan", transfer, &files)
    }

    fn again(&mut self) -> Result<(), StepError> {
        for (name, content) in [("acte.txt", b"deliberation 0".to_vec()), ("acte.txt", large())] {
            let files = vec![(name.to_owned(), content)];
            let answer = self.submit("T-0", &files);
            let rig = self.rig.as_ref().expect("open");
            self.model.answered(&rig.archive, ("kerlouan", "T-0"), files, &answer)?;
            answer?;
        }
        Ok(())
    }

    fn crowd(&mut self) -> Result<(), StepError> {
        let event = |i: usize| {
            Submission::Event(Event {
                tenant: tenant("kerlouan"),
                agent: "key:archivist".into(),
                subject: "journal".into(),
                event: EventType::List,
                outcome: Outcome::Success,
                facts: BTreeMap::from([("page".into(), i.to_string())]),
                details: Vec::<Bytes>::new(),
            })
        };
        let batch = (0..300).map(event).collect();
        Ok(self.rig().writers.committer.commit(batch).map(drop)?)
    }

    /// After a write of unknown outcome, the writer that made it answers nothing else.
    fn check_poisoned(&mut self, step: Step) -> Result<(), Failure> {
        let Some(rig) = &mut self.rig else { return Ok(()) };
        let refuses = match step {
            Step::Seal => matches!(rig.writers.sealer.seal(), Err(Fault::Poisoned)),
            _ => {
                let event = Event::of_service(EventType::ClockAnomaly, "journal", Outcome::Success);
                let answer = rig.writers.committer.commit(vec![Submission::Event(event)]);
                matches!(answer, Err(Fault::Poisoned)) && rig.writers.committer.is_poisoned()
            }
        };
        refuses.then_some(()).ok_or(Failure::NotPoisoned(step))
    }
}

enum StepError {
    Fault(Fault),
    Broken(Violation),
}

impl From<Fault> for StepError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Violation> for StepError {
    fn from(violation: Violation) -> Self {
        Self::Broken(violation)
    }
}

fn large() -> Vec<u8> {
    static LARGE: LazyLock<Vec<u8>> = LazyLock::new(|| (0..1_100_000_u32).map(|i| (i / 7) as u8).collect());
    LARGE.clone()
}

impl Cell {
    fn is_within_contract(&self) -> bool {
        WITHIN_CONTRACT.contains(&self.fault)
    }

    /// Runs the scenario with this one fault.
    fn run(&self) -> Result<(), Failure> {
        let mut run = Run::new();
        let then = if self.aftermath == Aftermath::GoOn { Then::GoOn } else { Then::PowerOff };
        let store = run.world.sites().nth(self.site).expect("the table names sites that are there");
        store.script_write(self.write, self.fault, then);
        for step in SCENARIO {
            let struck_before = self.struck(&run).is_some();
            let outcome = run.perform(step);
            match self.struck(&run) {
                Some(write) if !struck_before => self.endure(&mut run, step, write, outcome)?,
                _ => done(step, outcome)?,
            }
        }
        let rig = run.rig.as_ref().expect("open");
        run.model.check(&run.world, rig, false, Depth::Bytes)?;
        Ok(())
    }

    /// The write that the fault hit, if it came already.
    fn struck(&self, run: &Run) -> Option<WriteRecord> {
        let writes = run.world.sites().nth(self.site)?.writes();
        writes.into_iter().nth(self.write as usize).filter(|write| write.fault == Some(self.fault))
    }

    /// Judges the answer that the fault got, lets its aftermath happen, and has the step done again.
    fn endure(
        &self,
        run: &mut Run,
        step: Step,
        write: WriteRecord,
        outcome: Result<(), StepError>,
    ) -> Result<(), Failure> {
        let answer = match outcome {
            Err(StepError::Broken(violation)) => return Err(violation.into()),
            Err(StepError::Fault(fault)) => Err(fault),
            Ok(()) => Ok(()),
        };
        if self.aftermath == Aftermath::GoOn {
            if self.is_within_contract() {
                self.check_class(step, &write, &answer)?;
            }
            if matches!(answer, Err(Fault::Poisoned)) {
                run.check_poisoned(step)?;
                self.reopen(run, step, World::kill)?;
            }
        } else {
            self.reopen(run, step, World::crash)?;
        }
        match answer {
            Ok(()) => Ok(()),
            Err(_) => done(step, run.perform(step)),
        }
    }

    fn reopen(&self, run: &mut Run, step: Step, end: impl FnOnce(&mut World)) -> Result<(), Failure> {
        run.rig = None;
        end(&mut run.world);
        if self.aftermath == Aftermath::CrashWithoutIndex {
            run.world.drop_index();
        }
        done(step, run.perform(Step::Reopen))
    }

    /// Refused before anything was written: try again. Unknown: stop, unless nobody will ever ask for that name.
    fn check_class(&self, step: Step, write: &WriteRecord, answer: &Result<(), Fault>) -> Result<(), Failure> {
        let name = write.name.as_str();
        let is_container = name.starts_with("containers/");
        // Leaves come after the checkpoint that makes the seal; copies come after the deciding site.
        let is_before_decision = self.site == 0 && !name.contains("/leaves-");
        let is_refusal = matches!(self.fault, WriteFault::Full | WriteFault::Unreachable);
        let expected = match answer {
            Ok(()) => self.is_harmless(step, write),
            Err(Fault::Retry(_)) => is_container || (is_refusal && is_before_decision),
            Err(Fault::Poisoned) => !(is_container || (is_refusal && is_before_decision)),
            Err(_) => false,
        };
        match answer {
            _ if expected => Ok(()),
            Ok(()) => Err(Failure::NotPoisoned(step)),
            Err(_) => Err(Failure::Class { step, write: write.clone(), found: class(answer) }),
        }
    }

    /// A write that failed though nothing was to be written: an orphan's deletion, which the next opening does; the
    /// container of bytes that turn out to be known; keys and texts that are there already.
    fn is_harmless(&self, step: Step, write: &WriteRecord) -> bool {
        let name = write.name.as_str();
        match write.operation {
            Operation::Delete | Operation::Stage => true,
            Operation::Create => step == Step::Reopen && (name.starts_with("keys/") || name == "CARTULAIRE.txt"),
        }
    }
}

fn class(answer: &Result<(), Fault>) -> Fault {
    match answer {
        Err(Fault::Retry(retry)) => Fault::Retry(*retry),
        Err(Fault::Damaged(damage)) => Fault::Damaged(damage.clone()),
        _ => Fault::Poisoned,
    }
}

fn done(step: Step, outcome: Result<(), StepError>) -> Result<(), Failure> {
    match outcome {
        Ok(()) => Ok(()),
        Err(StepError::Fault(fault)) => Err(Failure::NoProgress(step, fault)),
        Err(StepError::Broken(violation)) => Err(violation.into()),
    }
}

/// The writes that the scenario makes on each site when nothing is wrong.
fn writes() -> Vec<Vec<WriteRecord>> {
    let mut run = Run::new();
    for step in SCENARIO {
        assert!(done(step, run.perform(step)).is_ok(), "{step:?} fails without any fault");
    }
    run.world.sites().map(SimStore::writes).collect()
}

fn table(faults: &[WriteFault]) -> Vec<Cell> {
    let mut cells = Vec::new();
    for (site, writes) in writes().into_iter().enumerate() {
        for write in 0..writes.len() as u64 {
            for fault in faults.iter().copied() {
                cells.extend(AFTERMATHS.map(|aftermath| Cell { site, write, fault, aftermath }));
            }
        }
    }
    cells
}

/// Runs every cell on all cores; returns what failed, in the table's order.
fn run_all(cells: &[Cell], judge: impl Fn(&Cell) -> Result<(), Failure> + Sync) -> Vec<String> {
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut failed = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(cell) = cells.get(at) else { return failed };
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| judge(cell)));
            let text = match outcome {
                Ok(Ok(())) => continue,
                Ok(Err(failure)) => format!("{}\n  {failure:?}", cell.replay()),
                Err(_) => format!("{}\n  panicked", cell.replay()),
            };
            failed.push((at, text));
        }
    };
    let mut failed = std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().flat_map(|w| w.join().expect("a cell panicked")).collect::<Vec<_>>()
    });
    failed.sort();
    failed.into_iter().map(|(_, text)| text).collect()
}

impl Cell {
    fn key(&self) -> String {
        let Self { site, write, fault, aftermath } = self;
        format!("{site} {write} {fault:?} {aftermath:?}")
    }

    fn replay(&self) -> String {
        let key = self.key();
        format!("CARTULAIRE_CELL='{key}' cargo test -p cartulaire-tests --test fault_table -- --exact replay")
    }
}

#[test]
fn every_write_may_fail_in_every_way_and_nothing_is_lost() {
    let cells = table(&WITHIN_CONTRACT);
    let failed = run_all(&cells, Cell::run);
    assert!(failed.is_empty(), "{} of {} cells failed:\n{}", failed.len(), cells.len(), failed.join("\n"));
}

/// A medium that lies may lose what it promised to keep; then the archive refuses to go on and names the object, or
/// whoever reads the bytes at rest finds out. What it never does is give out other bytes, show what was never deposited,
/// or leave everybody in the dark.
#[test]
fn a_medium_that_breaks_its_promise_is_found_out() {
    let cells = table(&BEYOND_CONTRACT);
    let failed = run_all(&cells, |cell| match cell.run() {
        Err(Failure::NoProgress(_, Fault::Damaged(_))) => Ok(()),
        Err(Failure::Broken(violation)) if is_of_rest(&violation) => Ok(()),
        outcome => outcome,
    });
    assert!(failed.is_empty(), "{} of {} cells failed:\n{}", failed.len(), cells.len(), failed.join("\n"));
}

/// What the bytes at rest show to whoever kept a receipt, a checkpoint or a copy.
fn is_of_rest(violation: &Violation) -> bool {
    match violation {
        Violation::Receipt(_) | Violation::Content(_) | Violation::Visible(_) | Violation::Answer(_) => false,
        Violation::Engine(fault) => matches!(fault, Fault::Damaged(_)),
        _ => true,
    }
}

/// The planted bug: an engine that acknowledges before its create is durable looks exactly like a store whose successes
/// power loss undoes. Every cell of it that concerns a commit must fail by the strict rules.
#[test]
fn an_acknowledgement_before_durability_is_caught() {
    let commits = writes().swap_remove(0);
    let commits = (0..).zip(commits).filter(|(_, write)| write.name.as_str().starts_with("commits/"));
    let mut judged = 0;
    for (write, _) in commits {
        let planted = Cell { site: 0, write, fault: WriteFault::Forgotten, aftermath: Aftermath::Crash };
        assert!(planted.run().is_err(), "{}\n  nobody noticed", planted.replay());
        judged += 1;
    }
    assert!(judged > SCENARIO.len() / 2, "the scenario hardly commits anything: {judged}");
}

#[test]
fn replay() {
    let Ok(wanted) = std::env::var("CARTULAIRE_CELL") else { return };
    let mut cells = table(&WITHIN_CONTRACT);
    cells.extend(table(&BEYOND_CONTRACT));
    let cell = cells.iter().find(|cell| cell.key() == wanted).expect("a cell of the table, as a failure prints it");
    cell.run().expect("the cell fails");
}
