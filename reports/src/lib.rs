//! Units, report model, verdicts, findings and renderers; pure.
