package incident

// learnAfter is the age at which a window is added to the baseline, in seconds. An
// incident is found before that, so that its own refusals do not become usual.
const learnAfter = 3600

// Tracker follows one provider through its windows. All of its state is in its
// fields, so that it can be stored and continued.
type Tracker struct {
	Sensitivity Sensitivity
	// Windows are sorted by their start. They include those of the last Memory
	// seconds before the next step, and all that Usual does not have yet.
	Windows []Window
	// Usual is the provider's baseline, All that of all providers, which may be nil.
	Usual Baseline
	All   *Baseline
	// Open means that an alarm of this provider is not over yet. The baseline is
	// frozen as long as it is.
	Open bool
	// Since is the time in Unix seconds at which the last alarm ended. Earlier windows
	// are not judged again.
	Since int64
}

// Step is what is known at the end of a window.
type Step struct {
	Alarm Alarm // valid if Alarmed
	// Alarmed means that the detector reports the provider at this time.
	Alarmed bool
	// Ended is set if the open alarm is over at this time. Nothing is alarmed then.
	Ended Ending
}

// Step judges the windows before end, in Unix seconds. Ends must not go back.
func (t *Tracker) Step(end int64) Step {
	if !t.Open {
		t.learn(end - learnAfter)
	}
	usual := t.Usual.Share(t.All)
	var s Step
	if t.Open {
		var over bool
		if s.Ended, over = ended(t.Windows, end, usual); over {
			t.Open, t.Since = false, end
			t.Usual.Skip(end - learnAfter)
			return s
		}
	}
	s.Alarm, s.Alarmed = t.Sensitivity.Detect(between(t.Windows, t.Since, end), end, usual)
	t.Open = t.Open || s.Alarmed
	return s
}

// learn adds the windows to the baseline that end at a time or before.
func (t *Tracker) learn(until int64) {
	ready := between(t.Windows, t.Usual.Until, until-WindowSeconds+1)
	for i := range ready {
		t.Usual.Add(&ready[i])
	}
}
