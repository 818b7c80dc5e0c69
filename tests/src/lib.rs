<<<<<<< HEAD
//! What the tests that span crates share: the simulated ports, the one suite that every store passes, and S3 servers
//! that are real, or scripted.
=======
//! What the tests that span crates share: the simulated ports, the one suite that every store passes, a real engine over
//! simulated ports, and the model that it is held to.
>>>>>>> h9

pub mod model;
pub mod rig;
pub mod scripted_s3;
pub mod seaweed;
pub mod sim;
pub mod simulation;
pub mod store_suite;
