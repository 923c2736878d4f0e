/** Cyrillic, Greek and Armenian letters that pass for Latin ones in common fonts (after Unicode TS 39, the visible cases). */
const lookalikes =
  'аaеeоoрpсcуyхxіiјjѕsԁdԛqԝwһhӏlкkмmтtвbнhгrзzбbАAВBСCЕEНHІIЈJКKМMОOРPЅSТTХXУYЗZΑAΒBΕEΖZΗHΙIΚKΜMΝNΟOΡPΤTΥYΧXαaοoνvρpτtιiκkυuωwϲcϳjօoսuհhոnցgզq'

const latin: ReadonlyMap<number, string> = new Map(
  Array.from({ length: lookalikes.length / 2 }, (_, i) => [lookalikes.charCodeAt(i * 2), lookalikes.charAt(i * 2 + 1)]),
)

/** True for characters nobody sees: zero-width, bidirectional controls, soft hyphen, fillers, variation selectors. */
export function isInvisible(code: number): boolean {
  if (code < 0x2000) return code === 0xad || code === 0x34f || code === 0x61c || code === 0x115f || code === 0x1160
  if (code <= 0x206f) return (code >= 0x200b && code <= 0x200f) || (code >= 0x202a && code <= 0x202e) || code >= 0x2060
  return code === 0xfeff || code === 0x3164 || code === 0xffa0 || code === 0x180e || (code >= 0xfe00 && code <= 0xfe0f)
}

/** What a character beyond ASCII looks like in ASCII, or itself: lookalike letters, other digits and widths, spaces, dashes. */
export function folded(char: string): string {
  const code = char.codePointAt(0) ?? 0
  const like = latin.get(code)
  if (like !== undefined) return like
  if (code === 0x2010 || code === 0x2011 || code === 0x2012 || code === 0x2013 || code === 0x2212) return '-'
  if (code < 0x2000 && !isDigitElsewhere(code)) return code === 0xa0 ? ' ' : char
  const digit = digitElsewhere(code)
  return digit ?? plain(char)
}

/** Compatibility forms (NFKC) that come down to a single ASCII character. */
function plain(char: string): string {
  const form = char.normalize('NFKC')
  return form.length === 1 && form.charCodeAt(0) < 128 ? form : char
}

/** First digits of other scripts' decimal digits below U+2000, in steps of ten. */
const zeros = [0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xe50, 0xed0, 0xf20]

function isDigitElsewhere(code: number): boolean {
  return digitElsewhere(code) !== undefined
}

function digitElsewhere(code: number): string | undefined {
  const zero = zeros.find((zero) => code >= zero && code < zero + 10)
  return zero === undefined ? undefined : String(code - zero)
}
