package bounce

import "testing"

func TestOnlyRegisteredStatusCodesAreLabels(t *testing.T) {
	for dsn, want := range map[string]string{
		"5.1.1": "5.1.1", "4.0.0": "4.0.0", "5.7.30": "5.7.30", "2.0.0": "2.0.0", "4.6.10": "4.6.10",
		"5.7.31": "other", "5.8.1": "other", "3.1.1": "other", "5.01.1": "other", "5.1.+1": "other", "5.1": "other", "": "other",
		"5.1.1.1": "other", "5.-1.1": "other", "5.1.999": "other", "5.1.1 evil": "other", "5.1.99999999999999999999": "other",
	} {
		if got := DSNLabel(dsn); got != want {
			t.Errorf("DSNLabel(%q) = %q, want %q", dsn, got, want)
		}
	}
	for _, class := range []int{2, 4, 5} {
		for _, dsn := range DSNs(class) {
			if DSNLabel(dsn) != dsn {
				t.Errorf("%s is listed and no label", dsn)
			}
		}
	}
	if n := len(DSNs(5)); n != 81 {
		t.Errorf("%d codes of a class, want 81", n)
	}
}
