package config

import (
	"fmt"
	"iter"
	"net/url"
	"reflect"
	"slices"
)

// KeyValue is a setting as it is shown.
type KeyValue struct{ Key, Value string }

// List returns the settings in the order of the file. Secrets are not shown, and of
// URLs only the host, since the rest may be one.
func (c *Config) List() []KeyValue { return list(nil, "", reflect.ValueOf(*c)) }

func list(to []KeyValue, prefix string, of reflect.Value) []KeyValue {
	for field, value := range of.Fields() {
		key, squashed := keyOf(&field)
		key = prefix + key
		switch {
		case squashed:
			to = list(to, prefix, value)
		case value.Kind() == reflect.Struct:
			to = list(to, key+".", value)
		case isMapOfStructs(field.Type):
			for _, name := range slices.Sorted(names(value)) {
				to = list(to, key+"."+name+".", value.MapIndex(reflect.ValueOf(name)))
			}
		case value.Kind() == reflect.Slice && value.Type().Elem().Kind() == reflect.Struct:
			for i := range value.Len() {
				to = list(to, fmt.Sprintf("%s[%d].", key, i), value.Index(i))
			}
		default:
			to = append(to, KeyValue{key, shownValue(field.Tag.Get("mapstructure"), value)})
		}
	}
	return to
}

// names returns the names of a map.
func names(of reflect.Value) iter.Seq[string] {
	return func(yield func(string) bool) {
		for name := range of.Seq2() {
			if !yield(name.String()) {
				return
			}
		}
	}
}

// shownValue returns a value as it is shown.
func shownValue(key string, value reflect.Value) string {
	switch {
	case value.Type() == reflect.TypeFor[Secret]():
		if value.String() == "" {
			return ""
		}
		return "•••"
	case key == "url" && value.String() != "":
		u, err := url.Parse(value.String())
		if err != nil {
			return "•••"
		}
		return u.Scheme + "://" + u.Host + "/…"
	}
	return fmt.Sprint(value.Interface())
}
