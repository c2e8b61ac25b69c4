package logparse

import (
	"strings"
	"time"
)

// monthNames are the abbreviations of the C library's locales of Europe, Asia and Latin
// America, without the dot that some have, and their other spellings. Longer forms are
// found by their first letters, but for those that begin as another month's.
var monthNames = makeMonths(
	`jan janv jän ene gen sty led oca ian янв яну січ tammi ιαν xan jaan sau јан yan urt sij ינו ينا ژان ม.ค 一月 сту ean იან հնվ қаң гыйн ýan جانفي جنوری
		کا٢ जन॰ জানু ஜன జన जाने જાન્યુ ಜನ ജനു ਜਨ ଜାନୁଆରୀ जन ජන ມ.ກ ဇန်`, // January
	`feb févr fév fev lut úno şub фев лют helmi φεβ veebr vas феб shk ots velj פבר فبر فور ก.พ 二月 feabh fra თებ փտր ақп few peb فيفري شباط فروری شوب फ़र॰
		ফেব பிப் ఫిబ్ర फेब्रु ફેબ્રુ ಫೆಬ್ರ ഫെബ്രു ਫ਼ਰ ଫେବୃଆରୀ පෙබ ກ.ພ ဖေ`, // February
	`mar mars märz mär mrz mrt maa maerz mars bře мар бер maalis márc μαρ μάρ kov mäe mac ožu מרץ مار มี.ค 三月 сак márta měr მარ մար нау آذار ئاز मार्च
		মার্চ মাৰ্চ மார் మార్చి માર્ચ ಮಾರ್ಚ್ മാർ ਮਾਰਚ ମାର୍ଚ୍ଚ මාර් ມ.ນ မတ်`, // March
	`apr avr avril abr kwi dub nis апр кві huhti άπρ απρ bal ápr d’abr pri api tra אפר أبر آور เม.ย 四月 кра aib აპრ ապր сәу أفريل نيسان اپریل نیس अप्रैल
		এপ্রিল এপ্ৰিল ஏப் ఏప్రి एप्रि એપ્રિલ ಏಪ್ರಿ ഏപ്രി ਅਪ੍ਰੈ ଅପ୍ରେଲ अप्रिल `+"අප්\u200dරි"+` ມ.ສ ဧပြီ`, // April
	`may mai maj mei mag maig kvě май мая тра touko máj μαϊ μάι maí geg μαΐ мај mee svi מאי ماي مه พ.ค 五月 beal mej მაი մայ мам maý أيار مئی ئای मई মে மே
		మే मे મે ಮೇ മേയ് ਮਈ ମଇ මැයි ພ.ພ မေ`, // May
	`jun juin giu juny cze čen haz iun июн юни чер kesä jún ιουν xuñ juuni bir jūn ιούν јун iyn qer eka meith יונ يون ژوئن มิ.ย 六月 чэр ġun ივნ հնս мау
		iýn hun جوان حزيران جون حوز जून জুন ஜூன் జూన్ જૂન ಜೂನ್ ജൂൺ ਜੂਨ ଜୁନ जुन ජූනි ມິ.ຖ ဇွန် lipanj lipnja lipnju`, // June
	`jul juil lug lip čec tem iul июл юли лип heinä júl ιουλ xul juuli lie jūl jui ιούλ јул iyl kor uzt יול يول ژوئیه ก.ค 七月 ліп iúil lul ივლ հլս шіл iýl
		hul جويلية تموز جولائی تەم जुल॰ জুলাই ஜூலை జులై जुलै જુલાઈ ಜುಲೈ ജൂലൈ ਜੁਲਾ ଜୁଲାଇ जुलाई ජූලි ກ.ລ ဇူ srpanj srpnja srpnju`, // July
	`aug août aoû ago agu sie srp ağu авг сер elo αυγ ágú rgp αύγ avg avq ag d’ag rugp ogos gsh abu kol אוג أغس اوت ส.ค 八月 жні lún aww awg აგვ օգս там
		أوت غشت آب اگست ئاب अग॰ আগস্ট আগ ஆக ఆగ ऑग ઑગસ્ટ ಆ ഓഗ ਅਗ ଅଗଷ୍ଟ अगस्ट අගෝ ສ.ຫ ဩ`, // August
	`sep sept set wrz zář eyl сен сеп вер syys szept σεπ rgs sen rugs sht ira ruj ספט سبت سپت ก.ย 九月 mfómh სექ սեպ қыр شتنبر أيلول ستمبر ئەی सित॰
		সেপ্টেম্বর সেপ্ট செப் సెప్టెం सप्टें સપ્ટે ಸೆಪ್ಟೆಂ സെപ്റ്റം ਸਤੰ ସେପ୍ଟେମ୍ବର सेप्टेम्बर සැප් ກ.ຍ စက်`, // September
	`oct okt ott out paź říj eki окт жов loka οκτ d’oct spal tet urr אוק أكت اكت ต.ค 十月 кас dfómh ოქტ հոկ қаз اکتوبر تش١ अक्तू॰ অক্টোবর অক্টো அக் అక్టో
		ऑक्टो ઑક્ટો ಅಕ್ಟೋ ഒക്ടോ ਅਕਤੂ ଅକ୍ଟୋବର अक्टोबर ඔක් ຕ.ລ အောက်`, // October
	`nov lis kas noi noy нов ноя ное лис marras νοέ νοε nóv lap nën aza stu נוב نوف نوا พ.ย 十一月 ліс samh now ნოე նմբ қар noý nob نونبر نومبر تش٢ नव॰
		নভেম্বর নভে நவ నవం नोव्हें નવે ನವೆಂ നവം ਨਵੰ ନଭେମ୍ବର नोभेम्बर නෙවැ ພ.ຈ နို listopad listopada listopadu`, // November
	`dec déc dez dic des gru pro ara дек гру joulu δεκ dets grd дец dek dis dhj abe דצמ ديس دسا ธ.ค 十二月 сне noll diċ დეკ դեկ жел دجنبر دسمبر کا١ दिस॰
		ডিসেম্বর ডিসে டிச డిసెం डिसें ડિસે ಡಿಸೆಂ ഡിസം ਦਸੰ ଡିସେମ୍ବର डिसेम्बर දෙසැ ທ.ວ ဒီ`, // December
)

func makeMonths(names ...string) map[string]int {
	months := make(map[string]int)
	for i, list := range names {
		for name := range strings.FieldsSeq(list) {
			months[name] = i + 1
		}
	}
	return months
}

// orEarlierMonths are names that mean the month before in Croatian, and the month of
// monthNames in Polish and Czech.
var orEarlierMonths = makeSet("lip srp lis listopad listopada listopadu")

// monthOf returns the number of a month by its name, or 0. orEarlier reports that it may
// also be the month before.
func monthOf(word string) (month int, orEarlier bool) {
	if len(word) < 3 || len(word) > maxWord {
		return 0, false
	}
	word = strings.ToLower(strings.TrimRight(word, "."))
	if m := monthNames[word]; m > 0 {
		return m, orEarlierMonths[word]
	}
	if strings.HasPrefix(word, "mail") {
		return 0, false // a host or a facility, not a longer name of May
	}
	if digits, found := strings.CutPrefix(strings.Replace(word, "thg", "th", 1), "th"); found && leading(digits) == len(digits) && number(digits) <= 12 {
		return number(digits), false // Vietnamese
	}
	var ends [7]int // ends[i] is where the first i letters end
	letters := 0
	for at := range word {
		if letters < len(ends) {
			ends[letters] = at
		}
		letters++
	}
	if letters < 4 || letters > 12 {
		return 0, false
	}
	for n := min(letters-1, 6); n >= 3; n-- {
		if m := monthNames[word[:ends[n]]]; m > 0 {
			return m, false
		}
	}
	return 0, false
}

// monthWindow is how far lines are apart whose stamps decide about each other. It is less
// than a month.
const monthWindow = 26 * 24 * time.Hour

// decideMonth decides which month a name means that means two, by the time of another
// line, which the stamp follows or precedes. It returns false if that does not decide.
func (s *stamp) decideMonth(near time.Time, follows bool) bool {
	if !s.orEarlier {
		return true
	}
	s.orEarlier = false
	from, to := near.Add(-monthWindow), near.Add(slop)
	if follows {
		from, to = near.Add(-slop), near.Add(monthWindow)
	}
	if s.isBetween(from, to) {
		return true
	}
	s.month--
	return s.isBetween(from, to)
}

// isBetween reports whether a stamp is between two times, in some year if it has none.
func (s *stamp) isBetween(from, to time.Time) bool {
	for year := from.Year(); year <= to.Year(); year++ {
		if s.year != 0 && s.year != year {
			continue
		}
		if t := s.time(year, time.UTC); t.Month() == s.month && !t.Before(from) && !t.After(to) {
			return true
		}
	}
	return false
}

// isMonthWord reports whether a word is "month" in Vietnamese, and the number follows.
func isMonthWord(word string) bool {
	word = strings.ToLower(strings.TrimRight(word, "."))
	return word == "thg" || word == "tháng"
}

var weekdays = makeSet(`mon tue wed thu fri sat sun monday tuesday wednesday thursday friday saturday sunday
	lun mar mer jeu ven sam dim lundi mardi mercredi jeudi vendredi samedi dimanche
	mo di mi do fr sa so montag dienstag mittwoch donnerstag freitag samstag sonnabend sonntag
	mié mie jue vie sáb sab dom lunes martes miércoles jueves viernes sábado domingo
	gio lunedì martedì mercoledì giovedì venerdì sabato domenica seg ter qua qui sex segunda terça quarta quinta sexta
	dg dl dt dc dj dv ds dilluns dimarts dimecres dijous divendres dissabte diumenge
	ma wo vr za zo maandag dinsdag woensdag donderdag vrijdag zaterdag zondag
	mån mån tis ons tor tors fre lör sön man lør søn måndag tisdag onsdag torsdag fredag lördag söndag mandag tirsdag lørdag søndag
	ti ke to pe la su mán þri mið fim fös lau
	pon pn wt wto śr śro czw pt pią sob sb nd nie poniedziałek wtorek środa czwartek piątek sobota niedziela
	po út st čt pá ne pondělí úterý středa čtvrtek pátek neděle pondelok utorok streda štvrtok piatok nedeľa
	ned uto sri sre čet pet sub tor ponedjeljak utorak srijeda četvrtak petak subota nedjelja ponedeljek torek sreda četrtek petek
	нед пон уто вто сри сре чет пет суб саб
	вт ср чт пт сб вс пн нд понедельник вторник среда четверг пятница суббота воскресенье понеділок вівторок середа четвер субота неділя
	sze szo hétfő kedd szerda csütörtök péntek szombat vasárnap lu jo vi luni marți miercuri joi vineri sâmbătă duminică
	paz pzt sal çrş prş cum cts pazartesi salı çarşamba perşembe cuma cumartesi pazar κυρ δευ τρι τετ πεμ παρ σαβ
	min sen sel rab kam jum minggu senin selasa rabu kamis jumat sabtu
	星期一 星期二 星期三 星期四 星期五 星期六 星期日 星期天 周一 周二 周三 周四 周五 周六 周日
	月曜日 火曜日 水曜日 木曜日 金曜日 土曜日 日曜日 월요일 화요일 수요일 목요일 금요일 토요일 일요일 월 화 수 목 금 토 일
	月 火 水 木 金 土 日`)

func isWeekday(word string) bool {
	return len(word) <= maxWord && weekdays[strings.ToLower(strings.TrimRight(word, ".,"))]
}
