import { z } from 'zod'
import { pathIn, type Place } from './fields.ts'

/** Lowest version of TLS that is spoken. */
export type TlsVersion = '1.2' | '1.3'

/** TLS of a listener. All files are PEM, and read again when they change. */
export interface TlsSection {
  /** The certificate, and after it those that lead to its authority. */
  readonly cert: string
  /** Its key. In production nobody but its owner may be able to read the file. */
  readonly key: string
  /** Authorities of clients' certificates. */
  readonly ca?: string
  /** Authorities that the own certificate must come from; a new one from elsewhere is refused. */
  readonly issuedBy?: string
  /** `request` takes a client certificate where there is one, `require` serves nobody without. */
  readonly clientCert: 'none' | 'request' | 'require'
  readonly minVersion: TlsVersion
  /** Age of the certificate in days after which operators are told. */
  readonly rotationDays: number
}

/** TLS towards a service. */
export interface ServiceTlsSection {
  /** Authorities that the service's certificate must come from; those of the system where none are named. */
  readonly ca?: string
  /** What the gateway shows of itself: both, or neither. */
  readonly cert?: string
  readonly key?: string
  readonly issuedBy?: string
  readonly minVersion: TlsVersion
  readonly rotationDays: number
}

const version = z.enum(['1.2', '1.3'], { error: 'must be "1.2" or "1.3", quoted' })
const rotationDays = z.int().min(1).max(825)

/** The schema of `listen.tls` and `admin.tls`. Where an authority of clients is named their certificates are required, unless the file says otherwise. */
export const tlsSection = (place: Place): z.ZodType<TlsSection> =>
  z
    .strictObject({
      cert: pathIn(place),
      key: pathIn(place),
      ca: pathIn(place).exactOptional(),
      issuedBy: pathIn(place).exactOptional(),
      clientCert: z.enum(['none', 'request', 'require']).exactOptional(),
      minVersion: version.default('1.3'),
      rotationDays: rotationDays.default(90),
    })
    .transform((tls) => ({ ...tls, clientCert: tls.clientCert ?? (tls.ca === undefined ? 'none' : 'require') }))
    .refine(({ clientCert, ca }) => clientCert === 'none' || ca !== undefined, {
      path: ['clientCert'],
      message: 'needs tls.ca: the authorities that client certificates must come from',
    })

/** The schema of `services.<name>.tls`. */
export const serviceTlsSection = (place: Place): z.ZodType<ServiceTlsSection> =>
  z
    .strictObject({
      ca: pathIn(place).exactOptional(),
      cert: pathIn(place).exactOptional(),
      key: pathIn(place).exactOptional(),
      issuedBy: pathIn(place).exactOptional(),
      minVersion: version.default('1.3'),
      rotationDays: rotationDays.default(90),
    })
    .refine(({ cert, key }) => (cert === undefined) === (key === undefined), {
      message: 'needs cert and key, or neither',
    })
    .refine(({ cert, issuedBy }) => issuedBy === undefined || cert !== undefined, {
      path: ['issuedBy'],
      message: 'is about tls.cert, which is not here',
    })
