import { serveStdio } from '@modelcontextprotocol/server/stdio'
import { stockV2 } from './stock.ts'

/** The stock side over stdio. */

serveStdio(stockV2)
