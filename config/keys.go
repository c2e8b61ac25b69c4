package config

import (
	"fmt"
	"iter"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/viper"

	"github.com/bouncetail/bouncetail/internal/text"
)

// setDefaults gives viper the value of every key, one by one.
func setDefaults(v *viper.Viper, prefix string, of reflect.Value) {
	for field, value := range of.Fields() {
		key, squashed := keyOf(&field)
		switch {
		case squashed:
			setDefaults(v, prefix, value)
		case value.Kind() == reflect.Struct:
			setDefaults(v, prefix+key+".", value)
		case isMapOfStructs(field.Type):
			for name, entry := range value.Seq2() {
				setDefaults(v, prefix+key+"."+name.String()+".", entry)
			}
		default:
			v.SetDefault(prefix+key, value.Interface())
		}
	}
}

// keyOf returns the key of a field, or that its own fields stand in its place.
func keyOf(f *reflect.StructField) (key string, squashed bool) {
	tag := f.Tag.Get("mapstructure")
	return tag, tag == ",squash"
}

func isMapOfStructs(t reflect.Type) bool {
	return t.Kind() == reflect.Map && t.Elem().Kind() == reflect.Struct
}

// renamedKeys are former keys, each with its present name.
var renamedKeys = map[string]string{
	"retention.unread_lines": "retention.unparsed_lines",
}

// variable returns the name of the environment variable for a key.
func variable(key string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// unknownKeys names the keys that no setting has, each with the nearest that
// is one.
func unknownKeys(settings map[string]any) []string {
	var unknown []string
	walk("", settings, reflect.TypeFor[Config](), func(key, nearest string) {
		if now, renamed := renamedKeys[key]; renamed {
			unknown = append(unknown, fmt.Sprintf("the key %q is now called %q", key, now))
			return
		}
		if nearest == "" {
			unknown = append(unknown, fmt.Sprintf("unknown key %q; config.example.yaml shows all keys", key))
			return
		}
		unknown = append(unknown, fmt.Sprintf("unknown key %q; did you mean %q?", key, nearest))
	})
	slices.Sort(unknown)
	return unknown
}

// walk reports the keys below a prefix that no field of a struct has, each with the
// nearest that is one, or "".
func walk(prefix string, settings map[string]any, t reflect.Type, report func(key, nearest string)) {
	known := make(map[string]reflect.Type)
	for f := range allFields(t) {
		known[f.Tag.Get("mapstructure")] = f.Type
	}
	for key, value := range settings {
		field, ok := known[key]
		if !ok {
			nearest := text.Similar(key, slices.Collect(maps.Keys(known)))
			if nearest != "" {
				nearest = prefix + nearest
			}
			report(prefix+key, nearest)
			continue
		}
		walkValue(prefix+key, value, field, report)
	}
}

// walkValue walks the settings in the value of a field: a struct, or a map or list of them.
func walkValue(key string, value any, t reflect.Type, report func(key, nearest string)) {
	switch value := value.(type) {
	case map[string]any:
		switch {
		case t.Kind() == reflect.Struct:
			walk(key+".", value, t, report)
		case isMapOfStructs(t):
			for name, entry := range value {
				walkValue(key+"."+name, entry, t.Elem(), report)
			}
		}
	case []any:
		if t.Kind() != reflect.Slice || t.Elem().Kind() != reflect.Struct {
			return
		}
		for i, item := range value {
			walkValue(fmt.Sprintf("%s[%d]", key, i), item, t.Elem(), report)
		}
	}
}

// allFields lists the fields of a struct, with those of squashed ones in their
// place.
func allFields(t reflect.Type) iter.Seq[reflect.StructField] {
	return func(yield func(reflect.StructField) bool) {
		for f := range t.Fields() {
			if _, squashed := keyOf(&f); !squashed {
				if !yield(f) {
					return
				}
				continue
			}
			for inner := range f.Type.Fields() {
				if !yield(inner) {
					return
				}
			}
		}
	}
}
