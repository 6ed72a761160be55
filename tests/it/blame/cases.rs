//! Small templates and objects.
