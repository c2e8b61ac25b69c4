package incidents

import "database/sql"

// DB returns the database.
func (w *Watcher) DB() *sql.DB { return w.db }

// CountSurges is countSurges.
var CountSurges = countSurges
