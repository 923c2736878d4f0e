/**
 * Second-level suffixes under which the public registers names, beside plain top-level domains. A short list, taken from the Public
 * Suffix List as it stood in 2026-10, of the suffixes that business addresses use most, and of hosts that give subdomains to strangers.
 */
const suffixes = new Set(
  `co.uk org.uk ac.uk gov.uk me.uk ltd.uk plc.uk net.uk nhs.uk com.au net.au org.au edu.au gov.au id.au
  co.nz net.nz org.nz govt.nz co.jp or.jp ne.jp ac.jp go.jp co.kr or.kr go.kr com.cn net.cn org.cn gov.cn com.hk com.tw org.tw
  com.sg edu.sg com.my com.ph com.vn co.th in.th co.id or.id co.in net.in org.in gov.in com.pk com.bd com.np
  com.br net.br org.br gov.br com.mx org.mx gob.mx com.ar com.co com.pe com.ve com.uy com.ec com.tr org.tr com.ua in.ua
  co.za org.za gov.za co.ke co.tz com.ng com.gh com.eg co.ma co.il org.il com.sa com.qa com.kw ae.org co.ae
  com.pl net.pl org.pl co.at or.at com.pt com.es org.es com.gr com.cy com.mt com.ro co.rs com.ru co.hu
  github.io gitlab.io pages.dev workers.dev vercel.app netlify.app web.app firebaseapp.com herokuapp.com appspot.com azurewebsites.net
  cloudfront.net blogspot.com ngrok.io ngrok.app ngrok-free.app trycloudflare.com onrender.com fly.dev repl.co glitch.me`
    .split(/\s+/)
    .filter((suffix) => suffix !== ''),
)

/**
 * The part of a host name that one party registered: `sub.shop.example.co.uk` gives `example.co.uk`. IP addresses, single labels
 * and suffixes themselves come back as they are. An estimate for telling parties apart, never a security boundary: a suffix that
 * is not listed makes two parties look like one.
 */
export function registrableDomain(host: string): string {
  const name = host.toLowerCase().replace(/\.+$/, '')
  if (isAddress(name)) return name
  const labels = name.split('.')
  const count = suffixes.has(labels.slice(-2).join('.')) ? 3 : 2
  return labels.slice(-count).join('.')
}

/** An IPv6 address, in brackets or not, or a host whose last label is a number, which URLs read as IPv4 (WHATWG URL §3.5). */
function isAddress(host: string): boolean {
  return host.includes(':') || /(?:^|\.)(?:\d+|0x[0-9a-f]*)$/.test(host)
}
