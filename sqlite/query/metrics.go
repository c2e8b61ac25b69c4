package query

// StateCount, with a state behind it, is the name in meta of the number of recipients
// in that state.
const StateCount = "recipients_"
