/** How this server names itself to clients and in records. */
export const serverInfo = { name: 'sluicegate', title: 'Sluicegate', version: '0.1.0' } as const
