import { type Context, Contract } from 'fabric-contract-api'
import type { Iterators } from 'fabric-shim'

const text = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? new Uint8Array()).toString()

type States = Iterators.CommonIterator<Iterators.KV>

/** The values of an iterator, taken one by one. */
async function byNext(iterator: States): Promise<string[]> {
  const values: string[] = []
  for (;;) {
    const { value, done } = await iterator.next()
    if (value !== undefined && value !== null) values.push(text(value.value))
    if (done || value === undefined || value === null) break
  }
  await iterator.close()
  return values
}

/** The values of an iterator, by a loop. */
async function byLoop(iterator: AsyncIterable<Iterators.KV>): Promise<string[]> {
  const values: string[] = []
  for await (const { value } of iterator) values.push(text(value))
  return values
}

/** Keys of all kinds. */
export class CrudContract extends Contract {
  constructor() {
    super('org.mynamespace.crud')
  }

  async fill({ stub }: Context): Promise<void> {
    await stub.putState('string', Buffer.from('string'))
    for (const name of ['ann', 'beth', 'cory'])
      for (const color of ['black', 'red', 'yellow'])
        await stub.putState(stub.createCompositeKey('name~color', [name, color]), Buffer.from(name + color))
    for (let i = 0; i < 5; i++) {
      await stub.putState(`key${i}`, Buffer.from(`value${i}`))
      await stub.putState(`jsonkey${i}`, Buffer.from(JSON.stringify({ key: `k${i}`, value: `value${i}` })))
    }
    for (let i = 0; i < 229; i++) {
      const number = `${i}`.padStart(3, '0')
      await stub.putState(stub.createCompositeKey('bulk-data', ['bulk', number]), Buffer.from(number))
    }
  }

  async get({ stub }: Context, key: string): Promise<string> {
    return text(await stub.getState(key))
  }

  async getConcurrently({ stub }: Context): Promise<string> {
    return JSON.stringify((await Promise.all(['key1', 'key2', 'key3'].map((key) => stub.getState(key)))).map(text))
  }

  async getComposite({ stub }: Context, name: string, color: string): Promise<string> {
    return text(await stub.getState(stub.createCompositeKey('name~color', [name, color])))
  }

  async partial({ stub }: Context, type: string, name: string): Promise<string> {
    const old = await byNext(await stub.getStateByPartialCompositeKey(type, [name]))
    return JSON.stringify([old, await byLoop(stub.getStateByPartialCompositeKey(type, [name]))])
  }

  async range({ stub }: Context, from: string, to: string): Promise<string> {
    return JSON.stringify([await byNext(await stub.getStateByRange(from, to)), await byLoop(stub.getStateByRange(from, to))])
  }

  async page({ stub }: Context, from: string, to: string, size: string, bookmark: string): Promise<string> {
    const { iterator, metadata } = await stub.getStateByRangeWithPagination(from, to, Number(size), bookmark)
    const values = await byNext(iterator)
    return JSON.stringify([values, metadata.fetchedRecordsCount, metadata.bookmark])
  }

  async partialPage({ stub }: Context, size: string, bookmark: string): Promise<string> {
    const { iterator, metadata } = await stub.getStateByPartialCompositeKeyWithPagination('name~color', [], Number(size), bookmark)
    return JSON.stringify([await byNext(iterator), metadata.bookmark])
  }

  async query({ stub }: Context, query: string): Promise<string> {
    return JSON.stringify(await byLoop(stub.getQueryResult(query)))
  }

  async history({ stub }: Context, key: string): Promise<string> {
    const entries: unknown[] = []
    for await (const { value, txId, isDelete } of stub.getHistoryForKey(key)) entries.push([text(value), txId, isDelete])
    return JSON.stringify(entries)
  }

  async put({ stub }: Context, key: string, value: string): Promise<void> {
    await stub.putState(key, Buffer.from(value))
  }

  async putComposite({ stub }: Context, name: string, color: string, value: string): Promise<void> {
    await stub.putState(stub.createCompositeKey('name~color', [name, color]), Buffer.from(value))
  }

  async delete({ stub }: Context, key: string): Promise<void> {
    await stub.deleteState(key)
  }

  async deleteComposite({ stub }: Context, name: string, color: string): Promise<void> {
    await stub.deleteState(stub.createCompositeKey('name~color', [name, color]))
  }

  async split({ stub }: Context, name: string): Promise<string> {
    const keys: unknown[] = []
    for await (const { key } of stub.getStateByPartialCompositeKey('name~color', [name])) keys.push(stub.splitCompositeKey(key))
    return JSON.stringify(keys)
  }

  async emit({ stub }: Context, value: string): Promise<void> {
    stub.setEvent('myevent', Buffer.from(value))
  }

  async identity({ stub, clientIdentity }: Context): Promise<string> {
    const ids = [clientIdentity.getMSPID(), clientIdentity.getID(), stub.getCreator().mspid, stub.getMspID()]
    return JSON.stringify([...ids, stub.getTxID(), stub.getChannelID(), stub.getFunctionAndParameters().fcn])
  }

  async times({ stub }: Context): Promise<string> {
    return JSON.stringify([stub.getDateTimestamp().getTime(), stub.getBinding().length])
  }

  /** @param args - The function and its arguments, as JSON. */
  async cross({ stub }: Context, chaincode: string, args: string): Promise<string> {
    const { status, message, payload } = await stub.invokeChaincode(chaincode, JSON.parse(args), '')
    return JSON.stringify([status, message, text(payload)])
  }
}

/** Private data of one collection. */
export class PrivateAssetContract extends Contract {
  async create({ stub }: Context, id: string): Promise<void> {
    await stub.putPrivateData('collection', id, stub.getTransient().get('privateValue') ?? new Uint8Array())
  }

  async read({ stub }: Context, id: string): Promise<string> {
    if ((await stub.getPrivateDataHash('collection', id)).length === 0) throw new Error(`The asset ${id} does not exist`)
    return text(await stub.getPrivateData('collection', id))
  }

  async hash({ stub }: Context, id: string): Promise<string> {
    return Buffer.from(await stub.getPrivateDataHash('collection', id)).toString('hex')
  }

  async list({ stub }: Context): Promise<string> {
    return JSON.stringify(await byLoop(stub.getPrivateDataByRange('collection', '', '')))
  }

  async delete({ stub }: Context, id: string): Promise<void> {
    await stub.deletePrivateData('collection', id)
  }

  async purge({ stub }: Context, id: string): Promise<void> {
    await stub.purgePrivateData('collection', id)
  }
}
