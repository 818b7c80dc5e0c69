//! What the tests that span crates share: the simulated ports, the one suite that every store passes, S3 servers that are
//! real or scripted, a real engine over simulated ports, and the model that it is held to.

pub mod corpus_archive;
pub mod model;
pub mod process;
pub mod rig;
pub mod scripted_s3;
pub mod seaweed;
pub mod sim;
pub mod simulation;
pub mod store_suite;
