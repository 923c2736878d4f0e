import type { Tool } from '../ports/tool.ts'
import { crmBulkUpdate } from './crm-bulk-update.ts'
import { flagSet } from './flag-set.ts'
import { ordersExport } from './orders-export.ts'
import { webFetchSafe } from './web-fetch-safe.ts'

/** The tools that come with the gateway, in the order they are listed. */
export const builtInTools: readonly Tool[] = [ordersExport, flagSet, webFetchSafe, crmBulkUpdate]
