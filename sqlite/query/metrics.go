package query

// StateCount is the name in meta, with a state behind it, of the number of recipients
// in that state.
const StateCount = "recipients_"

// BounceCount is the name in meta of the number of rows in bounces.
const BounceCount = "rows_bounces"
