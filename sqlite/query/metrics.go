package query

// StateCount is the name in meta, with a state behind it, of the number of recipients
// in that state.
const StateCount = "recipients_"

// BounceCount is the name in meta of the number of rows in bounces.
const BounceCount = "rows_bounces"

// Names in meta of what a daemon notes for the metrics. Those of a map have its name
// behind them. Times are in Unix seconds.
const (
	ReloadSuccessful = "config_last_reload_successful" // 1, or 0 if the settings were broken
	ReloadSucceeded  = "config_last_reload_success_timestamp_seconds"
	MapEntries       = "map_entries_"
	MapPublished     = "map_published_timestamp_seconds_"
)
