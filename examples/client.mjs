// An MCP client of the second SDK line. Any other MCP client works the same way: a URL, and the token in one header.
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'

const transport = new StreamableHTTPClientTransport(new URL('http://127.0.0.1:8787/mcp'), {
  requestInit: { headers: { authorization: `Bearer ${process.env.TOKEN}` } },
})
const client = new Client({ name: 'example-agent', version: '1.0.0' })
await client.connect(transport)

const { tools } = await client.listTools()
console.log('tools:', tools.map(({ name }) => name).join(', '))

const week = await client.callTool({ name: 'orders.export', arguments: { from: '2025-08-25', to: '2025-08-31' } })
console.log('orders:', week.structuredContent.count, 'of', week.structuredContent.total)
console.log('first:', week.structuredContent.rows[0].email, week.structuredContent.rows[0].phone)

const write = { name: 'checkout_v2', env: 'staging', rolloutPct: 10, idemKey: crypto.randomUUID() }
for (let attempt = 1; attempt <= 2; attempt++) {
  const { content } = await client.callTool({ name: 'flag.set', arguments: write })
  console.log(`write ${attempt}:`, content[0].text)
}

const refused = await client.callTool({ name: 'flag.set', arguments: { ...write, owner: 'me' } })
console.log('refused:', refused.structuredContent.denied)

await client.close()
