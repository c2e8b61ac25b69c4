package classify

import "testing"

// whole is the wait in a text as the expression alone finds it.
func whole(text string) (groups [6]string) {
	if m := wait.FindStringSubmatch(text); m != nil {
		copy(groups[1:], m[1:])
	}
	return groups
}

func TestSearchForAWaitBeginsWhereItMayStand(t *testing.T) {
	found := 0
	for _, before := range []string{"", "450 4.2.0 Greylisted (id 17), please try again ", "Bitte warten_", "x1", "5 mails at 10:20, "} {
		for _, word := range []string{"in", "after", "wait", "Delayed of", "retry:", "come back in", "=", "begin", "again in"} {
			for _, between := range []string{"", " ", " about ", " Approximately ", "  "} {
				for _, time := range []string{"300 seconds", "5min", "7-Stunden", "00:04:59", "12:30", "1234567 s", "9 ſ", "9 seconds", "9 seconde_", "9 secondeſ", "9 seKunden", "4 mails"} {
					text := before + word + between + time + " and 3 more"
					if got, want := waitIn(text), whole(text); got != want {
						t.Errorf("%s\n got %q\nwant %q", text, got, want)
					} else if want != [6]string{} {
						found++
					}
				}
			}
		}
	}
	if found < 300 {
		t.Errorf("a wait was found in %d texts, want hundreds: nothing was compared", found)
	}
}

func FuzzWait(f *testing.F) {
	for _, text := range []string{
		"450 4.2.0 Greylisted, try again in 300 seconds", "retry in 00:04:59", "Come Back In approximately 5-Min", "a=5 ſ", "delay of 3 hours", "xin 5 s, in 5 s", "wait 1234567 s", "retry:7m",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if got, want := waitIn(text), whole(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	})
}
