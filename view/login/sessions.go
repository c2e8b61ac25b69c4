package login

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"sync"
	"time"
)

const (
	// idle ends a session without requests. A session keeps the process of the pages
	// from ending, because it is in its memory only.
	idle = 30 * time.Minute
	// life ends every session.
	life = 12 * time.Hour
	// maxSessions bounds the memory. The oldest session ends if there are more.
	maxSessions = 1000
)

// Sessions are the sessions of browsers. They are kept in memory only.
type Sessions struct {
	// Valid reports whether the user still exists, with the mark of the login. Nil
	// accepts all.
	Valid func(user, mark string) bool

	mu   sync.Mutex
	byID map[[sha256.Size]byte]*session // by the hash of the identifier, so that a search takes as long for every wrong one
	key  []byte
}

type session struct {
	user, mark string
	made, used time.Time
}

// Start starts a session and returns its identifier, which was never used before.
func (s *Sessions) Start(user, mark string, now time.Time) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID == nil {
		s.byID = make(map[[sha256.Size]byte]*session)
	}
	s.clean(now)
	if len(s.byID) >= maxSessions {
		var oldest [sha256.Size]byte
		at := now
		for id, one := range s.byID {
			if !one.used.After(at) {
				oldest, at = id, one.used
			}
		}
		delete(s.byID, oldest)
	}
	id := NewID()
	s.byID[sha256.Sum256([]byte(id))] = &session{user: user, mark: mark, made: now, used: now}
	return id
}

// User returns the user of a session, which continues.
func (s *Sessions) User(id string, now time.Time) (user string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := sha256.Sum256([]byte(id))
	one := s.byID[at]
	if one == nil {
		return "", false
	}
	if s.over(one, now) {
		delete(s.byID, at)
		return "", false
	}
	one.used = now
	return one.user, true
}

// over reports whether a session has ended.
func (s *Sessions) over(one *session, now time.Time) bool {
	return now.Sub(one.used) > idle || now.Sub(one.made) > life || s.Valid != nil && !s.Valid(one.user, one.mark)
}

// End ends a session.
func (s *Sessions) End(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byID, sha256.Sum256([]byte(id)))
}

// Any reports whether there is a valid session.
func (s *Sessions) Any(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clean(now)
	return len(s.byID) > 0
}

func (s *Sessions) clean(now time.Time) {
	for id, one := range s.byID {
		if s.over(one, now) {
			delete(s.byID, id)
		}
	}
}

// FormToken returns what a form of a browser contains, so that no other site can send
// it. It belongs to the identifier of the browser.
func (s *Sessions) FormToken(id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.key == nil {
		s.key = make([]byte, sha256.Size)
		_, _ = rand.Read(s.key) // never fails
	}
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(id))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// IsForm reports whether a form was made for a browser.
func (s *Sessions) IsForm(id, token string) bool {
	return id != "" && hmac.Equal([]byte(s.FormToken(id)), []byte(token))
}

// NewID returns a random identifier of a browser.
func NewID() string { return rand.Text() }
