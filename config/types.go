package config

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/internal/when"
)

// checkTypes reports each value that its setting cannot hold and deletes it, so that
// the default stands in for it and the other settings can be checked. A list is
// deleted as a whole. Values of the environment are texts.
func checkTypes(prefix string, settings map[string]any, t reflect.Type, bad report) {
	types := make(map[string]reflect.Type)
	for f := range allFields(t) {
		types[f.Tag.Get("mapstructure")] = f.Type
	}
	for key, value := range settings {
		if want, known := types[key]; known && !checkType(prefix+key, value, want, bad) {
			delete(settings, key)
		}
	}
}

// checkType reports whether a setting can hold a value. What is wrong inside a group
// of keys has been deleted.
func checkType(key string, value any, want reflect.Type, bad report) bool {
	wrong := func(format string, args ...any) bool {
		bad(key, format, args...)
		return false
	}
	_, isList := value.([]any)
	group, isGroup := value.(map[string]any)
	scalar := !isList && !isGroup
	switch {
	case value == nil:
		return false // a key without a value
	case want.Kind() == reflect.Struct:
		if !isGroup {
			return wrong("%s is not a group with keys such as %s", shown(value), strings.Join(keysOf(want), ", "))
		}
		checkTypes(key+".", group, want, bad)
	case isMapOfStructs(want):
		if !isGroup {
			return wrong("%s is not a group", shown(value))
		}
		for name, entry := range group {
			if !checkType(key+"."+name, entry, want.Elem(), bad) {
				delete(group, name)
			}
		}
	case want.Kind() == reflect.Slice:
		return checkList(key, value, want.Elem(), bad)
	case !scalar:
		return wrong("%s is not %s", shown(value), kindName(want))
	case want == reflect.TypeFor[time.Duration]():
		return checkDuration(value, wrong)
	case want.Kind() == reflect.Int:
		return checkInt(value, wrong)
	case want.Kind() == reflect.Bool:
		if _, err := strconv.ParseBool(fmt.Sprint(value)); err != nil {
			return wrong("%s is neither true nor false", shown(value))
		}
	case want == reflect.TypeFor[Secret]() && reflect.TypeOf(value).Kind() != reflect.String:
		return wrong("the value is not a text; put it in quotes")
	case want.Kind() == reflect.String && reflect.TypeOf(value).Kind() != reflect.String:
		return wrong("%s is not a text; put it in quotes if it is meant", shown(value))
	}
	return true
}

// checkList reports whether a setting can hold a list, or a text with commas, which
// the environment has for lists of texts and numbers.
func checkList(key string, value any, want reflect.Type, bad report) bool {
	list, isList := value.([]any)
	switch value := value.(type) {
	case []any:
	case []string: // the default
		return true
	case []int:
		return true
	case string:
		if want.Kind() != reflect.Struct {
			for item := range strings.SplitSeq(value, ",") {
				list = append(list, item)
			}
			isList = true
		}
	}
	if !isList {
		if reflect.TypeOf(value).Kind() == reflect.Slice {
			return true // the default
		}
		if want.Kind() == reflect.Struct {
			bad(key,
				"%s is not a list; each entry begins with a dash and has keys such as %s",
				shown(value), strings.Join(keysOf(want), ", "),
			)
		} else {
			bad(key, "%s is not a list", shown(value))
		}
		return false
	}
	good := true
	for i, item := range list {
		if item == nil {
			bad(fmt.Sprintf("%s[%d]", key, i), "is empty; write something behind the dash, or delete the line")
			good = false
			continue
		}
		good = checkType(fmt.Sprintf("%s[%d]", key, i), item, want, func(key, format string, args ...any) {
			good = false // also if it is inside a group
			bad(key, format, args...)
		}) && good
	}
	return good
}

func checkDuration(value any, wrong func(string, ...any) bool) bool {
	if text, is := value.(string); is {
		if _, inDays := when.Days(text); inDays {
			return true
		}
		if _, err := time.ParseDuration(text); err != nil {
			return wrong("%q is not a duration; write one such as 30s, 90m or 120h", text)
		}
		return true
	}
	if _, is := value.(time.Duration); !is && fmt.Sprint(value) != "0" { // the default, or no time at all
		return wrong("%v has no unit; write a duration such as 30s, 90m or 120h", value)
	}
	return true
}

// days is a hook of mapstructure for durations in days, such as 30d.
func days(_, to reflect.Type, value any) (any, error) {
	if text, is := value.(string); is && to == reflect.TypeFor[time.Duration]() {
		if n, inDays := when.Days(text); inDays {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	return value, nil
}

func checkInt(value any, wrong func(string, ...any) bool) bool {
	switch v := value.(type) {
	case int:
		return true
	case float64:
		if math.Abs(v) < 1e15 && v == math.Trunc(v) {
			return true
		}
		if v == math.Trunc(v) {
			return wrong("%.0f is too large", v)
		}
	case string:
		_, err := strconv.ParseInt(v, 0, 64)
		if errors.Is(err, strconv.ErrRange) {
			return wrong("%s is too large", v)
		}
		if err == nil {
			return true
		}
	case int64, uint64:
		return wrong("%v is too large", v)
	}
	return wrong("%s is not a whole number", shown(value))
}

// shown returns a value for an error. Lists and groups may hold a password.
func shown(value any) string {
	switch v := value.(type) {
	case string:
		return strconv.Quote(v)
	case []any:
		return "a list"
	case map[string]any:
		return "a group of keys"
	}
	return fmt.Sprint(value)
}

func kindName(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "a duration such as 90m"
	case t.Kind() == reflect.Int:
		return "a whole number"
	case t.Kind() == reflect.Bool:
		return "true or false"
	}
	return "a text"
}

// keysOf returns the first keys of a group, for an error.
func keysOf(t reflect.Type) []string {
	var keys []string
	for f := range allFields(t) {
		keys = append(keys, f.Tag.Get("mapstructure"))
	}
	return slices.Clip(keys[:min(len(keys), 3)])
}
