import type { Alert } from '../detection/alert.ts'

/** Somewhere alerts go. Delivery is at least once; a sink that cannot deliver rejects, and the caller counts and tells another sink. */
export interface AlertSink {
  readonly name: string
  deliver(alert: Alert): Promise<void>
  close(): Promise<void>
}
