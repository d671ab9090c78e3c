import { expect, it } from 'vitest'
import { GrpcClient } from './grpc-client.ts'
import { Health, healthCheck, healthWatch, ServingStatus } from './health.ts'
import { GrpcListener } from './listener.ts'
import { RpcStatus } from './rpc-error.ts'

it('tells which services serve, and when that changes', async () => {
  const health = new Health()
  await using listener = new GrpcListener({ listen: '127.0.0.1:0' }).add(...health.bound)
  await listener.start()
  using client = new GrpcClient({ address: listener.address })
  expect(await client.call(healthCheck, {})).toEqual({ status: ServingStatus.serving })
  await expect(client.call(healthCheck, { service: 'a.B' })).rejects.toMatchObject({
    status: RpcStatus.notFound,
    message: 'unknown service',
  })
  const watched = client.stream(healthWatch, { service: 'a.B' })
  expect((await watched.next()).value).toEqual({ status: ServingStatus.serviceUnknown })
  health.set('a.B', ServingStatus.serving)
  expect((await watched.next()).value).toEqual({ status: ServingStatus.serving })
  health.set('', ServingStatus.notServing)
  health.set('a.B', ServingStatus.notServing)
  expect((await watched.next()).value).toEqual({ status: ServingStatus.notServing })
  await watched.return()
  expect(await client.call(healthCheck, { service: 'a.B' })).toEqual({ status: ServingStatus.notServing })
})
