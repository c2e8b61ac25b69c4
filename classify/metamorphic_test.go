package classify_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/classify"
)

// The tests of this file change replies in ways whose effect is known. The
// replies are the examples of the built-in rules, so a new rule is tested too.

// verdict judges a bare reply as if the mail server had given up.
func verdict(c *classify.Classifier, reply string) bounce.Verdict {
	d := classify.Delivery(reply)
	d.Outcome = bounce.Bounced
	return c.Verdict(&d)
}

// example is a reply that gives an address up.
type example struct {
	reply   string
	codes   string // with the space behind them
	text    string
	states  bool // decided by what a clause says, not by a provider's wording
	english bool
}

var codesOf = regexp.MustCompile(`^[45]\d\d (?:#?\d\.\d+\.\d+ )?`)

// suppressing returns the examples that give an address up.
func suppressing(c *classify.Classifier) []example {
	var all []example
	for _, r := range c.Rules() {
		for _, reply := range r.Decides {
			codes := codesOf.FindString(reply)
			if codes == "" || !verdict(c, reply).Suppress {
				continue
			}
			e := example{reply: reply, codes: codes, text: reply[len(codes):], states: len(r.Match.States) > 0, english: true}
			for _, b := range []byte(reply) {
				e.english = e.english && b < 0x80
			}
			all = append(all, e)
		}
	}
	return all
}

// holds checks that a changed reply has the verdict of the first one.
func holds(t *testing.T, c *classify.Classifier, before, after string) {
	t.Helper()
	a, b := verdict(c, before), verdict(c, after)
	if a.Suppress != b.Suppress || a.Category != b.Category {
		t.Errorf("%s\n is %s/%v by %s, but\n%s\n is %s/%v by %s", before, a.Category, a.Suppress, a.Rule, after, b.Category, b.Suppress, b.Rule)
	}
}

// spares checks that a reply gives no address up.
func spares(t *testing.T, c *classify.Classifier, reply string) {
	t.Helper()
	if v := verdict(c, reply); v.Suppress {
		t.Errorf("%s\n gives the address up, by %s", reply, v.Rule)
	}
}

func TestWrappersChangeNoVerdict(t *testing.T) {
	c, n := builtin(t), 0
	for _, r := range c.Rules() {
		if len(r.Match.Stage) > 0 {
			continue
		}
		for _, reply := range r.Decides {
			if codesOf.FindString(reply) == "" || strings.Contains(reply, "HELO") || strings.Contains(reply, "MAIL FROM") {
				continue
			}
			for _, form := range []string{
				"smtp; %s", "Remote host said: %s", "\"%s\"", "<<< %s", "host mx.b.example[192.0.2.1] said: %s (in reply to RCPT TO command)",
				"SMTP error from remote mail server after RCPT TO:<a@b.example>: %s", "Diagnostic-Code: smtp; %s",
				"192.0.2.1 does not like recipient. Remote host said: %s", "host mx.b.example [192.0.2.1]: %s",
			} {
				holds(t, c, reply, fmt.Sprintf(form, reply))
				n++
			}
		}
	}
	t.Logf("%d cases", n)
}

func TestNeutralSentencesChangeNoVerdict(t *testing.T) {
	c, n := builtin(t), 0
	behind := []string{
		"Ask the recipient to add you to the allow list.", "Please contact the postmaster of this site.", "See https://b.example/spam-policy for help.",
		"For more information visit https://b.example/blocked.", "Your message was not delivered.", "If you think that this is an error, call us.",
		"Please check the address and try again.", "Message returned to sender.", "Thank you.",
	}
	before := []string{"Sorry. ", "Your message could not be delivered: ", "This is an automatic reply. ", "We are sorry. "}
	for _, e := range suppressing(c) {
		end := ". "
		if strings.HasSuffix(e.reply, ".") {
			end = " "
		}
		for _, s := range behind {
			if e.text == "unknown" || strings.HasSuffix(e.reply, "<>") {
				continue
			}
			holds(t, c, e.reply, e.reply+end+s)
			n++
		}
		for _, s := range before {
			if !e.states {
				continue // a provider's reply begins with its own words
			}
			holds(t, c, e.reply, e.codes+s+e.text)
			n++
		}
	}
	t.Logf("%d cases", n)
}

func TestSpellingChangesNoVerdict(t *testing.T) {
	c, n := builtin(t), 0
	contract := strings.NewReplacer("does not", "doesn't", "is not", "isn't", "could not", "couldn't", "do not", "don't", "can not", "can't", "cannot", "can't")
	escape := strings.NewReplacer("'", "&#39;", "<", "&lt;", ">", "&gt;", "\"", "&quot;")
	word := regexp.MustCompile(`\b(?i:unknown|mailbox|recipient|account|address|exist|disabled|invalid|suspended|inactive|deleted|expired)\b`)
	for _, e := range suppressing(c) {
		holds(t, c, e.reply, contract.Replace(e.reply))
		holds(t, c, e.reply, escape.Replace(contract.Replace(e.reply)))
		holds(t, c, e.reply, e.codes+strings.ToUpper(e.text))
		n += 3
		if !e.english {
			continue
		}
		for _, at := range word.FindAllStringIndex(e.text, -1) {
			w := e.text[at[0]:at[1]]
			if at[0] > 0 && e.text[at[0]-1] == '-' || at[1] < len(e.text) && e.text[at[1]] == '-' {
				continue // "Invalid-Recipient" is a mark
			}
			for _, wrong := range []string{w[:2] + w[3:], w[:2] + w[3:4] + w[2:3] + w[4:], w[:3] + w[2:], w[:3] + "x" + w[4:]} {
				holds(t, c, e.reply, e.codes+e.text[:at[0]]+wrong+e.text[at[1]:])
				n++
			}
		}
	}
	t.Logf("%d cases", n)
}

func TestAnotherSubjectIsSpared(t *testing.T) {
	c, n := builtin(t), 0
	subject := regexp.MustCompile(`\b(?i:e-?mail address|recipient address|user|users|mailbox|recipient|account|address|customer|person|usr)\b`)
	for _, e := range suppressing(c) {
		if !e.english || !e.states || !subject.MatchString(e.text) {
			continue
		}
		for _, other := range []string{
			"sender", "your account", "your mailbox", "IP address", "login", "client", "sender address", "From address", "message header",
			"sending account", "relay host", "certificate", "policy", "address range", "server",
		} {
			spares(t, c, e.codes+subject.ReplaceAllString(e.text, other))
			n++
		}
	}
	t.Logf("%d cases", n)
}

func TestDoubtIsSpared(t *testing.T) {
	c, n := builtin(t), 0
	for _, e := range suppressing(c) {
		if !e.english || !e.states {
			continue
		}
		text := strings.TrimRight(e.text, ".")
		first, rest, ok := strings.Cut(text, ". ")
		if ok { // the doubt is about the first sentence
			rest = ". " + rest
		}
		if strings.HasPrefix(first, "sorry") || strings.Contains(first, "address, no such") || strings.HasSuffix(first, "@b.example") && strings.Contains(first, ": ") {
			continue
		}
		last := first
		if at := strings.LastIndex(first, ": "); at >= 0 {
			last = first[at+2:]
		}
		head := first[:len(first)-len(last)]
		for _, doubtful := range []string{
			head + "perhaps " + last + rest, head + "possibly " + last + rest, head + "it is not true that " + last + rest,
			head + "we could not find out whether " + last + rest, head + "if " + last + rest, first + ", try again later" + rest,
			first + ", temporarily" + rest, first + " at the moment" + rest, head + "temporarily " + last + rest,
			first + "; the server is busy, come back soon" + rest, first + " or access denied" + rest,
		} {
			spares(t, c, e.codes+doubtful)
			n++
		}
	}
	t.Logf("%d cases", n)
}

func TestAnotherDomainIsSpared(t *testing.T) {
	c, n := builtin(t), 0
	for _, r := range c.Rules() {
		if !r.Says.Reason.AddressBad() || r.Says.Disposition == bounce.Retry || r.Says.Scope != bounce.ScopeDomain {
			continue
		}
		for _, reply := range r.Decides {
			if !strings.Contains(reply, "b.example") && !strings.Contains(reply, "gone.example") || strings.Contains(reply, "<") {
				continue
			}
			for _, to := range []struct {
				recipient string
				bad       bool
			}{{"alice@b.example", true}, {"alice@c.example", false}, {"alice@b.example.org", false}, {"alice@sub.b.example", false}, {"alice@example", false}} {
				d := classify.Delivery(strings.ReplaceAll(reply, "gone.example", "b.example"))
				d.Outcome, d.Recipient, d.MTA = bounce.Bounced, to.recipient, bounce.Postfix
				if v := c.Verdict(&d); v.Suppress != to.bad {
					t.Errorf("%s to %s: suppress %v by %s", d.Reply.Text, to.recipient, v.Suppress, v.Rule)
				}
				n++
			}
		}
	}
	t.Logf("%d cases", n)
}

// In each language: a recipient, a sender, what is said of them, a word that
// makes it temporary and one that makes it a guess.
var sentences = []struct {
	language, recipient, sender string
	says                        []string
	temporary, hedge            string
}{
	{"English", "The mailbox", "The sender's mailbox", []string{"does not exist", "is unknown", "was not found", "has been disabled", "is invalid", "is no longer in use"}, "temporarily", "Perhaps:"},
	{"German", "Das Postfach", "Das Postfach des Absenders", []string{"existiert nicht", "ist unbekannt", "wurde nicht gefunden", "wurde deaktiviert", "ist ungültig", "ist nicht mehr aktiv"}, "vorübergehend", "Vielleicht:"},
	{"French", "La boîte", "La boîte de l'expéditeur", []string{"n'existe pas", "est inconnue", "est introuvable", "a été désactivée", "est invalide", "n'est plus active"}, "temporairement", "Peut-être:"},
	{"Spanish", "La cuenta", "La cuenta del remitente", []string{"no existe", "es desconocida", "ha sido desactivada", "es inválida", "ya no está activa"}, "temporalmente", "Quizás:"},
	{"Italian", "La casella", "La casella del mittente", []string{"non esiste", "è sconosciuta", "è stata disattivata", "non è valida", "non è più attiva"}, "temporaneamente", "Forse:"},
	{"Portuguese", "A conta", "A conta do remetente", []string{"não existe", "é desconhecida", "foi desativada", "é inválida"}, "temporariamente", "Talvez:"},
	{"Dutch", "De mailbox", "De mailbox van de afzender", []string{"bestaat niet", "is onbekend", "is opgeheven", "is ongeldig", "is niet meer actief"}, "tijdelijk", "Misschien:"},
	{"Polish", "Skrzynka", "Skrzynka nadawcy", []string{"nie istnieje", "jest nieznana", "została zablokowana", "została usunięta"}, "tymczasowo", "Być może:"},
	{"Czech", "Schránka", "Schránka odesílatele", []string{"neexistuje", "je neznámá", "byla zrušena", "je neplatná"}, "dočasně", "Možná:"},
	{"Russian", "Почтовый ящик", "Почтовый ящик отправителя", []string{"не существует", "не найден", "заблокирован", "неизвестен", "удален"}, "временно", "Возможно:"},
	{"Turkish", "Kullanıcı", "Gönderen kullanıcı", []string{"bulunamadı", "mevcut değil", "geçersiz"}, "geçici olarak", "Belki:"},
	{"Chinese", "用户", "发件人用户", []string{"不存在", "未找到", "已被停用", "无效"}, "暂时", "可能"},
	{"Japanese", "ユーザーは", "送信者のユーザーは", []string{"存在しません", "見つかりません", "停止されています", "不明です"}, "一時的に", "おそらく"},
	{"Korean", "사용자를", "발신자 사용자를", []string{"찾을 수 없습니다"}, "일시적으로", "아마"},
	{"Korean", "계정이", "발신자 계정이", []string{"존재하지 않습니다", "정지되었습니다", "삭제되었습니다"}, "일시적으로", "아마"},
}

func TestSentencesInEachLanguage(t *testing.T) {
	c := builtin(t)
	for _, l := range sentences {
		for _, says := range l.says {
			for _, codes := range []string{"550 ", "550 5.1.1 ", "554 5.7.1 "} {
				bad := codes + l.recipient + " " + says
				if v := verdict(c, bad); !v.Suppress {
					t.Errorf("%s: %s is %s by %s", l.language, bad, v.Category, v.Rule)
				}
				for _, good := range []string{
					l.sender + " " + says, l.recipient + " " + l.temporary + " " + says, l.recipient + " " + says + " " + l.temporary,
					l.hedge + " " + l.recipient + " " + says,
				} {
					spares(t, c, codes+good)
				}
			}
		}
	}
}
