package fleet

import (
	"context"
	"crypto/sha256"
	"database/sql/driver"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/bouncetail/bouncetail/sqlite/feed"
)

// row are the values of the columns of a figure: int64, float64, string, []byte or nil.
type row []driver.Value

// figure is a table that SQLite and PostgreSQL have with the same columns.
type figure struct {
	table   string
	columns []figureColumn
	key     int // how many of the first columns identify a row of a host
	// mark returns a text that changes with the rows of a day; nil for a table without days.
	mark func(d *feed.DayMark, rejudged int64) string
	gone gone
	// change changes rows before they are sent; nil if they are sent as they are.
	change func(rows []row, hideReplies bool)
	// digested: the last column is a digest of the others, by which rows are compared.
	digested bool
}

type figureColumn struct{ name, kind string }

// gone says what happens to rows that the host no longer has.
type gone int

const (
	stays    gone = iota // they were deleted for their age
	deleted              // they were counted again, in other rows
	numbered             // those that were never there, after a backup was restored, are deleted
)

// marked returns a mark.
func marked(numbers ...int64) string { return strings.Trim(fmt.Sprint(numbers), "[]") }

// allFigures are the tables, in the order in which they are sent.
var allFigures = []figure{
	{
		table: "incidents", key: 1, gone: numbered, change: changeIncidents, digested: true,
		columns: columnsOf("id bigint, kind text, scope text, category text, reason text, enhanced_code text, subject text, " +
			"started_at text, last_at text, opened_at text, rang_at text, over_at text, ended_by text, part_of bigint, " +
			"backlog integer, tried bigint, refused bigint, baseline double precision, p double precision, " +
			"attempts bigint, addresses bigint, domains bigint, private_subject text, reply text, digest bytea"),
	},
	{
		table: "daily_totals", key: 1,
		columns: columnsOf("day text, sent bigint, deferred bigint, bounced bigint, expired bigint"),
		mark:    func(d *feed.DayMark, _ int64) string { return marked(d.Sent, d.Deferred, d.Bounced, d.Expired) },
	},
	{
		// Deliveries are sent by counts, because crowds follow from them.
		table: "daily_counts", key: 2,
		columns: columnsOf("domain text, day text, deferred bigint, bounced bigint, expired bigint"),
		mark:    func(d *feed.DayMark, _ int64) string { return marked(d.Deferred, d.Bounced, d.Expired) },
	},
	{
		table: "daily_reasons", key: 5, gone: deleted,
		columns: columnsOf("day text, provider text, category text, reason text, scope text, failures bigint"),
		mark: func(d *feed.DayMark, rejudged int64) string {
			return marked(d.Deferred, d.Bounced, d.Expired, rejudged)
		},
	},
	{
		table: "provider_windows", key: 3, gone: deleted,
		columns: columnsOf("start bigint, span integer, provider text, sent bigint, deferred bigint, bounced bigint, " +
			"expired bigint, tried bigint, refused bigint"),
		mark: func(d *feed.DayMark, _ int64) string {
			return marked(d.Sent, d.Deferred, d.Bounced, d.Expired, d.Short, d.Hours)
		},
	},
	{
		table: "provider_baselines", key: 1,
		columns: columnsOf("provider text, tried double precision, refused double precision, updated bigint"),
	},
	{table: "gaps", key: 2, columns: columnsOf("id bigint, noticed_at text, source text, path text, bytes bigint, why text")},
	{
		table: "unparsed_lines", key: 2, change: hashShapes,
		columns: columnsOf("mta text, shape_hash bytea, count bigint, last_read_at text"),
	},
}

// columnsOf parses a list of columns with their types.
func columnsOf(list string) (columns []figureColumn) {
	for one := range strings.SplitSeq(list, ", ") {
		name, kind, _ := strings.Cut(one, " ")
		columns = append(columns, figureColumn{name, kind})
	}
	return columns
}

func (f *figure) names(of []figureColumn) string {
	names := make([]string, len(of))
	for i, c := range of {
		names[i] = c.name
	}
	return strings.Join(names, ", ")
}

// hashShapes replaces the shapes of lines, which may quote an address, by a hash.
func hashShapes(rows []row, _ bool) {
	for _, r := range rows {
		sum := sha256.Sum256([]byte(r[1].(string)))
		r[1] = sum[:16]
	}
}

// changeIncidents leaves out what is not sent.
func changeIncidents(rows []row, hideReplies bool) {
	if !hideReplies {
		return
	}
	for _, r := range rows {
		r[len(r)-2], r[len(r)-1] = nil, nil // private_subject, reply
	}
}

// read returns the rows of the host, of a day if it is not empty.
func (f *figure) read(ctx context.Context, from *feed.Feed, day string, hideReplies bool) (rows []row, err error) {
	columns := f.columns
	if f.digested {
		columns = columns[:len(columns)-1]
	}
	stored, err := from.Rows(ctx, f.table, strings.ReplaceAll(f.names(columns), "shape_hash", "shape"), day)
	if err != nil {
		return nil, err
	}
	for _, values := range stored {
		rows = append(rows, values)
	}
	if f.change != nil {
		f.change(rows, hideReplies)
	}
	for i, r := range rows {
		for j := range r {
			if !fits(&r[j], columns[j].kind) {
				return nil, fmt.Errorf("column %s holds a value of type %T", columns[j].name, r[j])
			}
		}
		if f.digested {
			sum := sha256.Sum256([]byte(r.text()))
			rows[i] = append(r, sum[:16])
		}
	}
	return rows, nil
}

// fits makes a value one that PostgreSQL can store in a column of a kind, and reports
// whether that is possible: other programs may have written to the file.
func fits(v *driver.Value, kind string) bool {
	switch was := (*v).(type) {
	case nil:
		return true
	case string:
		*v = clean(was)
		return kind == "text"
	case int64:
		if kind == "double precision" {
			*v = float64(was)
			return true
		}
		return kind == "bigint" || kind == "integer"
	case float64:
		return kind == "double precision"
	case []byte:
		return kind == "bytea"
	}
	return false
}

// rowSet are rows by the text of their key.
type rowSet map[string]storedRow

type storedRow struct {
	key     row
	content string // the text of the columns that are compared
}

// text returns a text that rows with other values do not have.
func (r row) text() string {
	b := make([]byte, 0, 16*len(r))
	for _, v := range r {
		switch v := v.(type) {
		case nil:
			b = append(b, "N "...)
		case int64:
			b = append(strconv.AppendInt(b, v, 10), ' ')
		case float64:
			b = append(strconv.AppendFloat(b, v, 'g', -1, 64), "f "...)
		case string:
			b = append(append(strconv.AppendInt(b, int64(len(v)), 10), ':'), v...)
		case []byte:
			b = append(append(strconv.AppendInt(b, int64(len(v)), 10), '#'), v...)
		default:
			panic(fmt.Sprintf("a figure holds a value of type %T", v))
		}
	}
	return string(b)
}

// content returns the text of the columns that are compared.
func (f *figure) content(r row) string {
	if f.digested {
		return r[len(r)-1:].text()
	}
	return r[f.key:].text()
}

// stored returns the rows that the fleet has of a host, of a day if it is not empty.
func (f *figure) stored(t *transaction, number int64, day string) (rowSet, error) {
	columns := f.columns
	if f.digested { // what may not be read is not compared
		columns = append(slices.Clone(columns[:f.key]), columns[len(columns)-1])
	}
	query, args := "SELECT "+f.names(columns)+" FROM bouncetail."+f.table+" WHERE instance = $1", []any{number}
	switch {
	case f.table == "provider_windows":
		query += " AND start >= $2 AND start < $2 + 86400"
		args = append(args, msOf(day+"T00:00:00.000Z")/1000)
	case day != "":
		query += " AND day = $2"
		args = append(args, day)
	}
	rows, err := t.Query(t.ctx, query, args...)
	if err != nil {
		return nil, err
	}
	set := make(rowSet)
	defer rows.Close()
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return nil, err
		}
		r := make(row, len(values))
		for i, v := range values {
			if r[i] = v; columns[i].kind == "integer" && v != nil {
				r[i] = int64(v.(int32))
			}
		}
		set[r[:f.key].text()] = storedRow{r[:f.key:f.key], f.content(r)}
	}
	return set, rows.Err()
}

// differences returns the rows that the fleet has in another way or not at all, and the
// keys of those that the host has no more. It brings known up to date.
func (f *figure) differences(now []row, known rowSet) (changed, left []row) {
	present := make(map[string]bool, len(now))
	for _, r := range now {
		key, content := r[:f.key].text(), f.content(r)
		present[key] = true
		if stored, is := known[key]; !is || stored.content != content {
			changed = append(changed, r)
			known[key] = storedRow{r[:f.key:f.key], content}
		}
	}
	if f.gone == stays {
		return changed, nil
	}
	noDigest := row{[]byte{}}.text()
	for key, stored := range known {
		if present[key] || f.gone == numbered && stored.content == noDigest {
			continue
		}
		left = append(left, stored.key)
		if delete(known, key); f.gone == numbered {
			known[key] = storedRow{stored.key, noDigest}
		}
	}
	return changed, left
}

// insertColumns are the columns of a figure for execRows, which knows no fractions.
func (f *figure) insertColumns(n int) (columns []column[row]) {
	for i, c := range f.columns[:n] {
		one := column[row]{c.name, c.kind, func(r *row) any { return (*r)[i] }}
		if c.kind == "double precision" {
			one.kind = "text"
			one.value = func(r *row) any {
				if x, is := (*r)[i].(float64); is {
					return strconv.FormatFloat(x, 'g', -1, 64)
				}
				return nil
			}
		}
		columns = append(columns, one)
	}
	return columns
}

// save stores rows of a host.
func (f *figure) save(t *transaction, number int64, rows []row) error {
	if len(rows) == 0 {
		return nil
	}
	columns := f.insertColumns(len(f.columns))
	var values, set []string
	for i, c := range f.columns {
		values = append(values, "new."+c.name+"::"+c.kind)
		if i >= f.key {
			set = append(set, c.name+" = excluded."+c.name)
		}
	}
	statement := fmt.Sprintf(`
		INSERT INTO bouncetail.%s (instance, %s)
		SELECT $%d::integer, %s
		FROM %s`, f.table, f.names(f.columns), len(columns)+1, strings.Join(values, ", "), unnest(columns))
	if f.digested { // to update columns, a sender would have to read them
		if err := f.byKey(t, "DELETE FROM bouncetail."+f.table+" t USING ", "", number, rows); err != nil {
			return err
		}
	} else {
		statement += " ON CONFLICT (instance, " + f.names(f.columns[:f.key]) + ") DO UPDATE SET " + strings.Join(set, ", ")
	}
	_, err := execRows(t, statement, columns, rows, number)
	return err
}

// drop removes rows that a host has no more.
func (f *figure) drop(t *transaction, number int64, keys []row, last int64) error {
	if len(keys) == 0 {
		return nil
	}
	remove := "DELETE FROM bouncetail." + f.table + " t USING "
	if f.gone == deleted {
		return f.byKey(t, remove, "", number, keys)
	}
	// Of what was deleted for its age, nothing stays that may be about a person.
	if err := f.byKey(t, remove, " AND (t.id > $3 OR t.kind IN ('bad-list', 'unclassified-surge'))", number, keys, last); err != nil {
		return err
	}
	return f.byKey(t, "UPDATE bouncetail."+f.table+" t SET reply = NULL, digest = '' FROM ", "", number, keys)
}

// byKey runs a statement on the rows t of a host that have some keys.
func (f *figure) byKey(t *transaction, statement, and string, number int64, keys []row, more ...int64) error {
	columns := f.insertColumns(f.key)
	where := []string{fmt.Sprintf(" WHERE t.instance = $%d", len(columns)+1)}
	for _, c := range columns {
		where = append(where, "t."+c.name+" = new."+c.name)
	}
	_, err := execRows(t, statement+unnest(columns)+strings.Join(where, " AND ")+and, columns, keys, append([]int64{number}, more...)...)
	return err
}
