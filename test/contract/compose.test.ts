import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { parseConfig } from '../../src/config/load.ts'
import { attributeNames, label, metric, resource } from '../../src/telemetry/names.ts'
import { dashboards, expressions } from '../../scripts/dashboards.ts'

const root = join(import.meta.dirname, '../..')
const text = (file: string) => readFileSync(join(root, file), 'utf8')

interface Service {
  readonly image?: string
  readonly build?: unknown
  readonly user?: string
  readonly read_only?: boolean
  readonly cap_drop?: readonly string[]
  readonly security_opt?: readonly string[]
  readonly healthcheck?: { readonly test: readonly string[] }
  readonly mem_limit?: string
  readonly pids_limit?: number
  readonly restart?: string
  readonly ports?: readonly string[]
  readonly volumes?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
  readonly profiles?: readonly string[]
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>
  readonly volumes: Readonly<Record<string, unknown>>
  readonly secrets: Readonly<Record<string, { readonly file?: string }>>
}

const compose = parse(text('docker-compose.yml'), { merge: true }) as Compose
const services = Object.entries(compose.services)

/** Images without a shell or client of their own: nothing inside them can ask after their health. */
const mute: readonly string[] = ['otel-collector', 'jaeger']

describe.each(services)('the container %s', (name, service) => {
  it('runs an image of a full version, or one that is built here', () => {
    expect(service.image ?? '').toMatch(/^[a-z0-9./-]+:v?\d+\.\d+\.\d+(@sha256:[0-9a-f]{64})?$/)
  })

  it('runs as a numbered user other than root, on a read-only file system, without capabilities', () => {
    expect(service.user).toMatch(/^[1-9]\d*:[1-9]\d*$/)
    expect(service.read_only).toBe(true)
    expect(service.cap_drop).toEqual(['ALL'])
    expect(service.security_opt).toContain('no-new-privileges:true')
    expect(service).not.toHaveProperty('privileged')
    expect(service).not.toHaveProperty('cap_add')
    expect(service).not.toHaveProperty('network_mode')
    expect(service).not.toHaveProperty('pid')
  })

  it('has bounds for memory and processes, restarts, and says how it is', () => {
    expect(service.mem_limit).toMatch(/^\d+[mg]$/)
    expect(service.pids_limit).toBeGreaterThan(0)
    expect(service.restart).toBe('unless-stopped')
    if (mute.includes(name)) expect(service.healthcheck).toBeUndefined()
    else expect(service.healthcheck?.test[0]).toBe('CMD')
  })

  it('is published on loopback only', () => {
    for (const port of service.ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/)
  })

  it('writes to named volumes only, and mounts no socket of the host', () => {
    for (const volume of service.volumes ?? []) {
      const [source = '', , mode] = volume.split(':')
      if (source.startsWith('.')) expect(mode).toBe('ro')
      else expect(Object.keys(compose.volumes)).toContain(source)
      expect(volume).not.toContain('docker.sock')
    }
  })

  it('gets its secrets as files', () => {
    for (const [key, value] of Object.entries(service.environment ?? {}))
      if (/PASSWORD|SECRET|TOKEN|KEY$/.test(key)) expect(`${key}=${value}`).toMatch(/__FILE=\/run\/secrets\//)
  })

  it('waits for others until they are well, where they can say so', () => {
    for (const [other, { condition }] of Object.entries(service.depends_on ?? {}))
      expect(condition).toBe(mute.includes(other) ? 'service_started' : 'service_healthy')
  })
})

describe('the stack', () => {
  it('starts the gateway alone unless a profile asks for more', () => {
    expect(services.filter(([, { profiles }]) => profiles === undefined).map(([name]) => name)).toEqual(['gateway'])
    expect(new Set(services.flatMap(([, { profiles }]) => profiles ?? []))).toEqual(new Set(['kafka', 'observability']))
  })

  it('keeps its secrets out of the image and the repository', () => {
    for (const { file } of Object.values(compose.secrets)) expect(file).toMatch(/^\.\/deploy\/secrets\//)
    expect(text('.dockerignore').split('\n')[0]).toBe('*')
    expect(text('.gitignore')).toContain('deploy/secrets/')
  })

  it('has a configuration for its gateway in which nothing is wrong', () => {
    expect(parseConfig(text('deploy/sluicegate.yaml'), 'deploy/sluicegate.yaml').problems).toEqual([])
  })
})

describe('the image', () => {
  const dockerfile = text('Dockerfile')

  it('is built from the lock file without install scripts, and runs as nobody without a shell', () => {
    expect(dockerfile).toMatch(/npm ci --ignore-scripts/)
    expect(dockerfile).toMatch(/^USER 65532:65532$/m)
    expect(dockerfile.match(/^FROM .*$/gm)?.at(-1)).toMatch(/distroless\/nodejs24-debian13:nonroot$/)
    expect(dockerfile).toMatch(/^ENTRYPOINT \["\/nodejs\/bin\/node"/m)
    expect(dockerfile).toMatch(/^HEALTHCHECK [\s\S]*CMD \["\/nodejs\/bin\/node"/m)
    expect(dockerfile).not.toMatch(/^ADD |:latest|curl|apt-get/m)
  })
})

describe('the collector', () => {
  const collector = parse(text('otel-collector.yaml')) as {
    readonly processors: { readonly redaction: { readonly allowed_keys: readonly string[] } }
    readonly receivers: object
    readonly exporters: object
    readonly connectors: object
    readonly extensions: object
    readonly service: { readonly extensions: readonly string[]; readonly pipelines: Readonly<Record<string, Pipe>> }
  }
  interface Pipe {
    readonly receivers: readonly string[]
    readonly processors?: readonly string[]
    readonly exporters: readonly string[]
  }

  it('lets the names of the gateway’s spans pass, and no others', () => {
    const names = [...attributeNames, ...Object.values(resource)].sort()
    expect([...collector.processors.redaction.allowed_keys].sort()).toEqual(names)
  })

  it('redacts in every pipeline, and counts before it samples', () => {
    const { 'traces/count': count, 'traces/store': store } = collector.service.pipelines as Record<string, Pipe>
    expect(count?.processors).toEqual(['memory_limiter', 'redaction'])
    expect(store?.processors).toEqual(['memory_limiter', 'redaction', 'tail_sampling', 'batch'])
  })

  it('names only parts that it defines', () => {
    const { receivers, processors, exporters, connectors, extensions, service } = collector
    const either = { ...connectors }
    for (const pipe of Object.values(service.pipelines)) {
      for (const name of pipe.receivers) expect({ ...receivers, ...either }).toHaveProperty([name])
      for (const name of pipe.processors ?? []) expect(processors).toHaveProperty([name])
      for (const name of pipe.exporters) expect({ ...exporters, ...either }).toHaveProperty([name])
    }
    for (const name of service.extensions) expect(extensions).toHaveProperty([name])
  })
})

describe('the dashboards', () => {
  it('are what their script writes', () => {
    for (const [name, content] of Object.entries(dashboards)) expect(text(`grafana/dashboards/${name}`)).toBe(content)
  })

  it('ask only for metrics and labels that the gateway has', () => {
    const plain = Object.values(metric).map((name) => name.replaceAll('.', '_'))
    const known = new Set([
      ...plain.flatMap((name) => [name, `${name}_total`, `${name}_bucket`]),
      ...Object.values(label),
    ])
    for (const expr of expressions) {
      const asked = expr.replace(/"[^"]*"|\[[^\]]*\]/g, '').match(/\b[a-z_]{3,}\b/g) ?? []
      const words = asked.filter((word) => !/^(sum|by|increase|rate|histogram_quantile|topk|le)$/.test(word))
      expect(
        words.filter((word) => !known.has(word)),
        expr,
      ).toEqual([])
    }
  })

  it('are provisioned from fixed data sources that nobody edits in the browser', () => {
    const { datasources } = parse(text('grafana/provisioning/datasources/sluicegate.yaml')) as { datasources: { uid: string; editable: boolean }[] } // prettier-ignore
    const { providers } = parse(text('grafana/provisioning/dashboards/sluicegate.yaml')) as { providers: { allowUiUpdates: boolean; disableDeletion: boolean }[] } // prettier-ignore
    expect(datasources.map(({ uid, editable }) => [uid, editable])).toEqual([
      ['sluicegate-prometheus', false],
      ['sluicegate-jaeger', false],
    ])
    expect(providers.every(({ allowUiUpdates, disableDeletion }) => !allowUiUpdates && disableDeletion)).toBe(true)
  })
})
