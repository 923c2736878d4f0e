import { z } from 'zod'

/** The id of one change, chosen by the caller. Lower-cased, so that one UUID has one spelling. */
export const idemKey = z
  .guid('must be a UUID')
  .toLowerCase()
  .describe('A UUID you make up for this change. Repeat the same one to retry safely; use a new one for a new change.')

/** A change ticket. Whether it is approved, and for whom, is not for the schema to say. */
export const ticket = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'must be a ticket id such as CHG-1042')
  .describe('Id of an approved change ticket, e.g. CHG-1042. Needed for risky changes only.')
