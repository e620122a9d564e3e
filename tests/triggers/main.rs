//! Does the engine decide what the rules say? Against a model that only knows the definition, against files
//! that an operator can read, against laws that hold for every stream, and known answers.

mod known;
mod laws;
mod model;
mod random;
mod run;
mod stream;
