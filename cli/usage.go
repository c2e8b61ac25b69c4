package cli

// usageError marks an error of how a command was called.
type usageError struct{ error }

// usage marks err as an error of how a command was called. It returns nil for nil.
func usage(err error) error {
	if err == nil {
		return nil
	}
	return usageError{err}
}
