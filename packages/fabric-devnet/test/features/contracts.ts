import { type Context, Contract } from 'fabric-contract-api'
import { KeyEndorsementPolicy } from 'fabric-shim'

const text = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? new Uint8Array()).toString()

/** Answers, writes, tells. */
export class BasicContract extends Contract {
  async echo(_: Context, value: string): Promise<string> {
    return value
  }

  async echoTransient(ctx: Context): Promise<Record<string, string>> {
    return Object.fromEntries([...ctx.stub.getTransient()].map(([key, value]) => [key, text(value)]))
  }

  async put(ctx: Context, key: string, value: string): Promise<string> {
    await ctx.stub.putState(key, Buffer.from(value))
    return value
  }

  /** Reads too, so that others who write make it invalid. */
  async append(ctx: Context, key: string, value: string): Promise<string> {
    const appended = text(await ctx.stub.getState(key)) + value
    await ctx.stub.putState(key, Buffer.from(appended))
    return appended
  }

  async get(ctx: Context, key: string): Promise<string> {
    return text(await ctx.stub.getState(key))
  }

  async errorMessage(_: Context, message: string): Promise<void> {
    throw new Error(message)
  }

  async event(ctx: Context, name: string, payload: string): Promise<void> {
    ctx.stub.setEvent(name, Buffer.from(payload))
  }
}

/** Goes wrong in different ways. */
export class ErrorsContract extends Contract {
  async exists(ctx: Context, id: string): Promise<boolean> {
    return (await ctx.stub.getState(id)).length > 0
  }

  async nondet(ctx: Context): Promise<void> {
    await ctx.stub.putState('random', Buffer.from(String(Math.random())))
  }

  async orgsFail(ctx: Context, orgs: string): Promise<void> {
    const mspId = ctx.stub.getMspID()
    if (JSON.parse(orgs).includes(mspId)) throw new Error(`${mspId} refuses to endorse this`)
    await ctx.stub.putState('mykey', Buffer.from('myvalue'))
  }
}

/** Private data, and keys with policies of their own. */
export class PrivateContract extends Contract {
  async getPeerOrg(ctx: Context): Promise<string> {
    return ctx.stub.getMspID()
  }

  async checkEndorsingOrg(ctx: Context): Promise<string> {
    const mspId = ctx.stub.getMspID()
    if (ctx.stub.getTransient().has(mspId)) return 'success'
    throw new Error(`endorser in this org (${mspId}) should not have been invoked`)
  }

  async writePrivateData(ctx: Context): Promise<void> {
    const transient = ctx.stub.getTransient()
    const [collections, key, value] = ['collection', 'key', 'value'].map((name) => text(transient.get(name)))
    for (const collection of (collections ?? '').split(',')) await ctx.stub.putPrivateData(collection, key ?? '', Buffer.from(value ?? ''))
  }

  async readPrivateData(ctx: Context, collection: string, key: string): Promise<string> {
    return text(await ctx.stub.getPrivateData(collection, key))
  }

  async setStateWithEndorser(ctx: Context, key: string, value: string, mspId: string): Promise<void> {
    await ctx.stub.putState(key, Buffer.from(value))
    await setEndorsers(ctx, key, [mspId])
  }

  async setStateEndorsers(ctx: Context, key: string, one: string, other: string): Promise<void> {
    await setEndorsers(ctx, key, [one, other])
  }

  async getState(ctx: Context, key: string): Promise<string> {
    return text(await ctx.stub.getState(key))
  }

  async changeState(ctx: Context, key: string, value: string): Promise<void> {
    await ctx.stub.putState(key, Buffer.from(value))
  }
}

async function setEndorsers(ctx: Context, key: string, mspIds: readonly string[]): Promise<void> {
  const policy = new KeyEndorsementPolicy()
  policy.addOrgs('PEER', ...mspIds)
  await ctx.stub.setStateValidationParameter(key, policy.getPolicy())
}
